package templates

// errorTexts follow the order of the documents that define the codes.
var errorTexts = map[string]errorWords{
	// RFC 6749 section 4.1.2.1.
	"invalid_request": {
		title:    "This sign-in request is not valid",
		happened: "The app sent a request that is incomplete or contradicts itself, so we stopped before signing you in.",
		todo:     tellMaker,
	},
	"unauthorized_client": {
		title:    "This app may not sign people in this way",
		happened: "The app is registered, but not for the kind of access that it asked for.",
		todo:     tellMaker,
	},
	"access_denied": {
		title:    "Access was not granted",
		happened: "The request was declined, so the app did not get access to anything.",
		todo:     "If that was not what you wanted, go back to the app and try again, or ask an administrator of your organization.",
	},
	"unsupported_response_type": {
		title:    "This app asks for something we do not offer",
		happened: "The app asked for a kind of answer that this server does not give.",
		todo:     tellMaker,
	},
	"invalid_scope": {
		title:    "This app asks for access it cannot have",
		happened: "At least one of the permissions that the app asked for does not exist, or is not open to this app.",
		todo:     tellMaker,
	},
	"server_error": {
		title:    "Something went wrong on our side",
		happened: "We could not finish your request. Nothing was changed, and the app did not get access.",
		todo:     waitABit,
	},
	"temporarily_unavailable": {
		title:    "We will be right back",
		happened: "The sign-in service cannot reach something that it needs right now. Nothing was changed.",
		todo:     "Wait a minute and try again. Nothing you entered is lost.",
	},

	// RFC 6749 section 5.2, RFC 8628 section 3.5, RFC 8707 section 2.
	"invalid_client": {
		title:    "We do not know this app",
		happened: "The app that sent you here is not registered, or could not prove that it is the app it says.",
		todo:     tellMaker,
	},
	"invalid_grant": {
		title:    "This sign-in is no longer valid",
		happened: "The permission that the app tried to use has expired, was used before, or was withdrawn.",
		todo:     startAgain,
	},
	"unsupported_grant_type": {
		title:    "This app asks for something we do not offer",
		happened: "The app tried to get access in a way that this server does not support.",
		todo:     tellMaker,
	},
	"expired_token": {
		title:    "This code has expired",
		happened: "The code was not entered in time, so it does not work any more.",
		todo:     "Start again on the device to get a new code.",
	},
	"invalid_target": {
		title:    "This app asks for a service we do not know",
		happened: "The app named a service that is not registered here, or that it may not use.",
		todo:     tellMaker,
	},

	// OpenID Connect Core 1.0 section 3.1.2.6, and Unmet Authentication Requirements 1.0.
	"interaction_required": {
		title:    "You need to do something first",
		happened: "The app asked to go on without showing you anything, but a step of the sign-in needs you.",
		todo:     startAgain,
	},
	"login_required": {
		title:    "You need to sign in",
		happened: "The app asked to go on without a sign-in, but you are not signed in, or your sign-in is too old for it.",
		todo:     startAgain,
	},
	"account_selection_required": {
		title:    "You need to choose an account",
		happened: "You are signed in to more than one organization, and the app did not say which one it is for.",
		todo:     "Go back to the app, sign in again, and choose the organization when we ask.",
	},
	"consent_required": {
		title:    "You need to give permission",
		happened: "The app asked to go on without asking you, but you have not given it permission yet.",
		todo:     startAgain,
	},
	"invalid_request_uri": {
		title:    "This sign-in request has expired",
		happened: "The app refers to a request that we no longer hold, or never did.",
		todo:     startAgain,
	},
	"invalid_request_object": {
		title:    "This sign-in request is not valid",
		happened: "The app sent a signed request that we could not verify.",
		todo:     tellMaker,
	},
	"request_not_supported": {
		title:    "This app asks for something we do not offer",
		happened: "The app put its request into a form (the request parameter) that this server does not accept.",
		todo:     tellMaker,
	},
	"request_uri_not_supported": {
		title:    "This app asks for something we do not offer",
		happened: "The app put its request into a form (the request_uri parameter) that this server does not accept here.",
		todo:     tellMaker,
	},
	"registration_not_supported": {
		title:    "This app asks for something we do not offer",
		happened: "The app tried to register itself while signing you in, which this server does not accept.",
		todo:     tellMaker,
	},
	"unmet_authentication_requirements": {
		title:    "A stronger sign-in is needed",
		happened: "The app asks for a way of signing in, such as a second factor, that your sign-in did not include.",
		todo:     "Go back to the app and sign in again with your second factor. If you do not have one, ask an administrator of your organization.",
	},

	// Dynamic registration, RFC 7591 section 3.2.2.
	"invalid_redirect_uri": {
		title:    "This app is not set up correctly",
		happened: "The app gave a return address that it cannot have.",
		todo:     tellMaker,
	},
	"invalid_client_metadata": {
		title:    "This app is not set up correctly",
		happened: "The app described itself in a way that we cannot accept.",
		todo:     tellMaker,
	},

	// RFC 6750 section 3.1.
	"invalid_token": {
		title:    "This access has ended",
		happened: "The access that was used has expired or was withdrawn.",
		todo:     startAgain,
	},
	"insufficient_scope": {
		title:    "This needs more permission",
		happened: "The access that was used does not include what you tried to do.",
		todo:     "Go back to the app and give it the permission it asks for, or ask an administrator of your organization.",
	},

	// Page codes: the app's request.
	"unknown_client": {
		title:    "We do not know this app",
		happened: "The app that sent you here did not say which one it is, is not registered with us, or is switched off. We did not send you back, because we cannot tell where you would end up.",
		todo:     tellMaker,
		oauth:    "invalid_client",
	},
	"client_disabled": {
		title:    "This app has been switched off",
		happened: "The app that sent you here may not sign anybody in at the moment.",
		todo:     askAdmin,
		oauth:    "unauthorized_client",
	},
	"client_not_allowed": {
		title:    "Your organization does not allow this app",
		happened: "An administrator decides which apps may be used, and this one is not among them.",
		todo:     "If you need this app for your work, ask an administrator of your organization to allow it.",
		oauth:    "access_denied",
	},
	"redirect_uri_mismatch": {
		title:    "This app’s return address is not registered",
		happened: "The app asked us to send you to an address that is not exactly one of those it registered. To protect you, we did not send you there.",
		todo:     tellMaker,
		oauth:    "invalid_request",
	},

	// Page codes: the sign-in's steps.
	"session_expired": {
		title:    "This sign-in took too long",
		happened: "For your protection a sign-in has to be finished within a few minutes. This one was not, so it has ended.",
		todo:     startAgain,
		oauth:    "access_denied",
	},
	"already_used": {
		title:    "This page was already used",
		happened: "You have already finished this step, perhaps in another tab or with the back button. It works only once.",
		todo:     "If you are signed in, simply go on in the app. Otherwise go back to the app and sign in again.",
		oauth:    "access_denied",
	},
	"other_browser": {
		title:    "This sign-in began somewhere else",
		happened: "The link you followed belongs to a sign-in that was started in another browser, or your browser does not keep our cookies. To protect you, we stopped.",
		todo:     "Start from the app, in this browser. If somebody sent you the link, do not use it, and tell your administrator. If this keeps happening, allow cookies for this site.",
		oauth:    "access_denied",
	},
	"cross_site_request": {
		title:    "This request came from another site",
		happened: "Another website tried to act here in your name. We refused, and nothing was changed.",
		todo:     "Close that website. If you did this yourself, go back to the app and sign in again.",
		oauth:    "access_denied",
	},
	"sign_in_refused": {
		title:    "You could not be signed in",
		happened: "Your organization’s sign-in worked, but it does not give you access here.",
		todo:     "Check that you used the right account. If you did, ask an administrator of your organization to give you access.",
		oauth:    "access_denied",
	},
	"unknown_organization": {
		title:    "We could not find your organization",
		happened: "No organization uses this service with the address that you entered.",
		todo:     "Go back and check the address for a typing mistake; it has to be the one from work. If it is right, ask an administrator of your organization.",
		oauth:    "access_denied",
	},
	"no_account": {
		title:    "You do not have an account here yet",
		happened: "Your organization uses this service, but new people have to be added by an administrator first.",
		todo:     "Ask an administrator of your organization to add you, and sign in again after that.",
		oauth:    "access_denied",
	},
	"no_role": {
		title:    "Your organization gives you no role here",
		happened: "Your organization’s sign-in worked. What it says about you, such as the groups that you are in, does not match any role in this service, so you were not let in.",
		todo:     "Ask an administrator of your organization to put you into a group that may use this service, and give them the reference below. After that, sign in again.",
		oauth:    "access_denied",
	},
	"sso_required": {
		title:    "Use your organization’s single sign-on",
		happened: "Your organization lets people with an address like yours in through its single sign-on, and this was another way.",
		todo:     "Go back to the app, sign in again with your e‑mail address from work, and follow where it leads. If that does not work, ask an administrator of your organization.",
		oauth:    "access_denied",
	},
	"link_expired": {
		title:    "This link does not work any more",
		happened: "The link from the e‑mail was used already, is too old, or was replaced because your address has changed. Each link works once.",
		todo:     "Go back to the app and sign in again: we send you another link. If it was an invitation, ask whoever invited you to send it again.",
		oauth:    "invalid_request",
	},
	"other_person": {
		title:    "Somebody else is signed in here",
		happened: "The link is for another person’s account than the one that is signed in in this browser. Nothing was changed.",
		todo:     "If the account is yours, sign out first, and open the link again. If it is not, close this page.",
		oauth:    "access_denied",
	},
	"break_glass_closed": {
		title:    "The emergency sign-in is closed",
		happened: "An organization’s owners can use it while it is open for them. It is not open for you now, so you were not signed in.",
		todo:     "Sign in through your organization’s own sign-in. If that does not work, ask the people who run this service.",
		oauth:    "access_denied",
	},
	"break_glass_not_set_up": {
		title:    "The emergency sign-in is not set up",
		happened: "It is open for your organization, but the organization has no sign-in by passkey that it could use.",
		todo:     "Ask the people who run this service to add one.",
		oauth:    "access_denied",
	},
	"email_unverified": {
		title:    "Your e‑mail address is not confirmed",
		happened: "Your organization’s sign-in did not confirm that the e‑mail address is yours.",
		todo:     "Confirm your e‑mail address where you sign in, or ask an administrator of your organization, and try again.",
		oauth:    "access_denied",
	},
	"user_suspended": {
		title:    "Your account is suspended",
		happened: "An administrator has paused your account, so you cannot sign in for now.",
		todo:     askAdmin,
		oauth:    "access_denied",
	},
	"tenant_suspended": {
		title:    "Your organization is suspended",
		happened: "Your organization’s access to this service is paused, for everybody in it.",
		todo:     askAdmin,
		oauth:    "access_denied",
	},
	"connection_disabled": {
		title:    "This way to sign in is switched off",
		happened: "An administrator has switched off the sign-in that your organization uses here.",
		todo:     askAdmin,
		oauth:    "access_denied",
	},
	"upstream_error": {
		title:    "Your organization’s sign-in reported a problem",
		happened: "We sent you to your organization to sign in, and it could not finish.",
		todo:     "Try again. If it stays like this, give the reference below to an administrator of your organization.",
		oauth:    "access_denied",
	},
	"upstream_denied": {
		title:    "The sign-in was cancelled",
		happened: "Your organization’s sign-in page told us that the sign-in was cancelled or refused.",
		todo:     "If that was not what you wanted, go back to the app and sign in again.",
		oauth:    "access_denied",
	},
	"upstream_invalid": {
		title:    "We could not trust the answer",
		happened: "Your organization’s sign-in sent an answer that failed our checks, so we did not use it.",
		todo:     "Try again. If it stays like this, give the reference below to an administrator of your organization: the connection may be set up wrong.",
		oauth:    "access_denied",
	},
	"upstream_stale": {
		title:    "Your sign-in could not be shown to be new",
		happened: "What you want to do needs a new sign-in, and your organization’s sign-in does not say when you last proved who you are.",
		todo:     "Sign in there anew and try again. If it stays like this, tell an administrator of your organization: their provider has to send the claim auth_time.",
		oauth:    "access_denied",
	},
	"upstream_unavailable": {
		title:    "Your organization’s sign-in is not answering",
		happened: "We could not reach the place where people of your organization sign in.",
		todo:     waitABit,
		oauth:    "temporarily_unavailable",
	},

	// Page codes: signing out.
	"invalid_logout_request": {
		title:    "We could not verify this sign-out",
		happened: "The app asked to sign you out in a way that we could not verify, so we will not send you on from here.",
		todo:     "You can still sign out: open the sign-out page of this site yourself. Tell the people who make the app about the code below.",
		oauth:    "invalid_request",
	},

	// Page codes: HTTP.
	"bad_request": {
		title:    "We could not read this request",
		happened: "What your browser sent is incomplete or damaged.",
		todo:     "Go back, reload the page and try again.",
		oauth:    "invalid_request",
	},
	"forbidden": {
		title:    "You may not do this",
		happened: "You are signed in, but this is not open to you.",
		todo:     askAdmin,
		oauth:    "access_denied",
	},
	"not_found": {
		title:    "There is nothing here",
		happened: "The address may be mistyped, or what was here is gone.",
		todo:     "Check the address. If you wanted to sign in, start from your app.",
	},
	"method_not_allowed": {
		title:    "That does not work here",
		happened: "This page exists, but not for the kind of request that was sent.",
		todo:     "Start again from your app.",
		oauth:    "invalid_request",
	},
	"too_large": {
		title:    "That was too much at once",
		happened: "The request is larger than we accept.",
		todo:     "Go back to the app and try again. If it stays like this, tell the people who make the app.",
		oauth:    "invalid_request",
	},
	"unsupported_media_type": {
		title:    "We could not read this request",
		happened: "The request came in a format that we do not accept here.",
		todo:     tellMaker,
		oauth:    "invalid_request",
	},
	"rate_limited": {
		title:    "Too many attempts",
		happened: "There were many requests from your network or for your account in a short time, so we are slowing down.",
		todo:     "Wait a minute and try again.",
		oauth:    "temporarily_unavailable",
	},
	"misdirected_request": {
		title:    "This address is not ours",
		happened: "The request was made under a host name that this server does not serve.",
		todo:     "Check the address, or start again from your app.",
		oauth:    "invalid_request",
	},
}
