// Package mail tells people things by e-mail.
//
// It owns the queue's worker: a mail is a row, sealed, before anybody tries to send
// it; it is tried again until the server has taken it, has refused it for good, or it is
// not worth sending any more. It owns the senders: SMTP, and a mailbox in memory for
// development.
//
// A mail is sent at least once. It is sent twice only where a node dies, or loses the
// store for longer than a claim, between the server's yes and the note of it; both
// have the same Message-ID. What a mail says, and to whom it goes, is sealed together:
// whoever can write to the database can hold a mail up, and cannot send its link to
// somebody else. Neither is ever in a log.
//
// It does not own the sentences (package templates) or who is told what (the rooms
// that decide).
package mail
