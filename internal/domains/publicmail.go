package domains

import "strings"

// publicMail are domains at which anybody can have an address. One that ends in .* is
// the provider's under every public suffix (yahoo.co.jp).
var publicMail = set(`
	gmail.com googlemail.com
	outlook.* hotmail.* msn.com
	live.com live.co.uk live.fr live.nl live.be live.it live.de live.at live.ca live.com.au live.cn live.jp live.se live.no live.dk live.fi live.ie live.in live.com.mx live.com.ar live.cl live.com.pt live.co.za live.ru
	 passport.com windowslive.com
	yahoo.* ymail.com rocketmail.com myyahoo.com aol.* aim.com verizon.net
	icloud.com me.com mac.com
	proton.me protonmail.com protonmail.ch pm.me
	tutanota.com tutanota.de tutamail.com tuta.com tuta.io keemail.me
	gmx.* web.de freenet.de t-online.de arcor.de mail.de email.de posteo.de posteo.net mailbox.org online.de 1und1.de vodafone.de
	mail.com email.com usa.com post.com consultant.com myself.com dr.com engineer.com techie.com europe.com asia.com writeme.com iname.com
	fastmail.* fastmail.fm messagingengine.com sent.com
	zoho.* zohomail.com zohomail.eu zohomail.in
	yandex.* ya.ru mail.ru inbox.ru list.ru bk.ru internet.ru rambler.ru
	qq.com foxmail.com 163.com 126.com yeah.net sina.com sina.cn sohu.com aliyun.com 139.com 189.cn tom.com 21cn.com
	naver.com daum.net hanmail.net nate.com kakao.com
	docomo.ne.jp ezweb.ne.jp softbank.ne.jp i.softbank.jp nifty.com
	orange.fr wanadoo.fr free.fr laposte.net sfr.fr neuf.fr bbox.fr club-internet.fr
	libero.it virgilio.it tiscali.it alice.it tin.it email.it
	wp.pl o2.pl onet.pl onet.eu interia.pl interia.eu gazeta.pl op.pl
	seznam.cz email.cz centrum.cz post.cz volny.cz centrum.sk azet.sk zoznam.sk
	abv.bg mail.bg freemail.hu citromail.hu indamail.hu mail.ee inbox.lv one.lt
	ukr.net i.ua meta.ua bigmir.net
	btinternet.com ntlworld.com virginmedia.com sky.com talktalk.net blueyonder.co.uk tiscali.co.uk
	comcast.net sbcglobal.net att.net bellsouth.net cox.net charter.net earthlink.net juno.com netzero.net optonline.net roadrunner.com
	shaw.ca rogers.com sympatico.ca videotron.ca telus.net
	bigpond.com bigpond.net.au optusnet.com.au iinet.net.au xtra.co.nz
	bluewin.ch hispeed.ch sunrise.ch aon.at chello.at utanet.at
	skynet.be telenet.be proximus.be ziggo.nl kpnmail.nl planet.nl xs4all.nl home.nl hetnet.nl
	telia.com tele2.se spray.se bredband.net online.no getmail.no jubii.dk mail.dk luukku.com
	terra.com.br uol.com.br bol.com.br ig.com.br globo.com globomail.com r7.com
	rediffmail.com sify.com indiatimes.com
	walla.co.il walla.com netvision.net.il
	hushmail.com hush.com runbox.com mailfence.com startmail.com disroot.org riseup.net cock.li countermail.com skiff.com duck.com
	hey.com superhuman.com posteo.eu kolabnow.com migadu.com
	mailinator.com guerrillamail.com sharklasers.com 10minutemail.com temp-mail.org tempmail.com yopmail.com trashmail.com throwawaymail.com getnada.com maildrop.cc dispostable.com fakeinbox.com mailnesia.com mintemail.com moakt.com mohmal.com emailondeck.com
	privaterelay.appleid.com simplelogin.com anonaddy.com addy.io relay.firefox.com mozmail.com passmail.net
	onmicrosoft.com
`)

func set(words string) map[string]bool {
	out := map[string]bool{}
	for _, w := range strings.Fields(words) {
		out[w] = true
	}
	return out
}
