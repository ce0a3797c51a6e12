package device

import "strings"

// Unknown is what calls itself nothing that we know.
const Unknown = "Unknown device"

// mark is a part of a user agent, and what has it. Of several that fit, the first
// counts: most browsers also say that they are others (RFC 9110 section 10.1.5).
type mark struct{ part, name string }

var browserMarks = []mark{
	{"Edg/", "Edge"}, {"EdgA/", "Edge"}, {"EdgiOS/", "Edge"},
	{"OPR/", "Opera"}, {"OPX/", "Opera"}, {"Vivaldi/", "Vivaldi"},
	{"SamsungBrowser/", "Samsung Internet"}, {"DuckDuckGo/", "DuckDuckGo"},
	{"FxiOS/", "Firefox"}, {"Firefox/", "Firefox"},
	{"Electron/", "An app"},
	{"CriOS/", "Chrome"}, {"HeadlessChrome/", "A program"}, {"Chromium/", "Chromium"}, {"Chrome/", "Chrome"},
	{"Version/", "Safari"}, // and not alone: see browser
	{"curl/", "curl"}, {"Wget/", "Wget"}, {"python-requests/", "A Python program"}, {"Go-http-client/", "A Go program"},
}

var systemMarks = []mark{
	{"iPhone", "an iPhone"}, {"iPad", "an iPad"}, {"Android", "Android"}, {"CrOS", "ChromeOS"},
	{"Windows NT", "Windows"}, {"Macintosh", "a Mac"}, {"Linux", "Linux"},
}

// Name says in words what a user agent is: "Firefox on Windows". What it says of
// itself anybody can say; it is for people to recognize their own.
func Name(userAgent string) string {
	browser, system := browserOf(userAgent), first(systemMarks, userAgent)
	switch {
	case browser == "" && system == "":
		return Unknown
	case browser == "":
		return "A browser on " + system
	case system == "":
		return browser
	}
	return browser + " on " + system
}

// browserOf is the browser. Safari calls itself Version, as browsers that are built
// into Android apps do.
func browserOf(userAgent string) string {
	name := first(browserMarks, userAgent)
	if name == "Safari" && !strings.Contains(userAgent, "Safari/") {
		return ""
	}
	return name
}

func first(marks []mark, userAgent string) string {
	for _, m := range marks {
		if strings.Contains(userAgent, m.part) {
			return m.name
		}
	}
	return ""
}
