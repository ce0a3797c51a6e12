// Package domains is the proof that an e-mail domain is a tenant's: a TXT record that
// only who runs the domain can make (requirement TN-06).
//
// It owns which names can be anybody's (a public mail provider's, and a public
// suffix, cannot), what the record has to say, how it is looked for, and what becomes of a domain whose
// record is gone: its tenant is told, and loses it seven days later. Name servers
// that do not answer are no proof of anything: a domain is neither won nor lost by
// them.
//
// It does not own where people of a domain are sent (package idp), nor who may claim
// one (idp/orgapi; package directory for operators).
package domains
