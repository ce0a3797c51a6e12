// Package seal keeps what must be readable again: it encrypts single values of
// the database (a connection's client secret, a private key), and derives every
// other key of the deployment from the one master secret.
//
// A sealed value opens only at the place it was sealed for: the tenant, table,
// column and row are associated data of the AEAD (XChaCha20-Poly1305), so that
// a value copied into another row, by accident or by somebody who can write to
// the database, does not open. A sealed value starts with a short id of its
// master, so that a new master can take over while the old one still opens what
// it sealed.
//
// The package owns the envelope, the master file's form and the derivation of
// keys by purpose. It reads no file, and it does not know what the values are.
package seal
