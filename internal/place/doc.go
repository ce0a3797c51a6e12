// Package place says in words where an address is, as well as a database knows: a file
// in the MaxMind DB format with the records of GeoLite2 City or Country, or of DB-IP's
// lite editions.
//
// It owns the reading of that file, and the words. It does not own the file (the
// operator brings it, and renews it) and decides nothing: what it says is for people to
// recognize a session of theirs by, and no rule rests on it.
package place
