package pgtest

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// DSN returns the address of a database of the server, as its superuser, over
// TCP. The database need not exist. The address stays the same over
// [Server.Kill] and [Server.Restart].
func (s *Server) DSN(database string) string {
	address := url.URL{
		Scheme:   "postgres",
		User:     url.UserPassword("postgres", s.password),
		Host:     net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)),
		Path:     "/" + database,
		RawQuery: "sslmode=disable",
	}
	return address.String()
}

// SocketDSN is [Server.DSN] over the unix socket, which asks for no password.
func (s *Server) SocketDSN(database string) string {
	query := url.Values{"host": {s.folder}, "port": {strconv.Itoa(s.port)}, "sslmode": {"disable"}}
	address := url.URL{Scheme: "postgres", User: url.User("postgres"), Path: "/" + database, RawQuery: query.Encode()}
	return address.String()
}

// withDatabase returns the DSN of another database on the same server, for both
// spellings that PostgreSQL's clients accept.
func withDatabase(dsn, database string) (string, error) {
	if !isURL(dsn) {
		// The last of two equal keywords wins.
		return dsn + " dbname=" + database, nil
	}
	address, err := url.Parse(dsn)
	if err != nil {
		return "", fmt.Errorf("pgtest: WATCHGATE_TEST_POSTGRES is not a DSN")
	}
	address.Path = "/" + database
	return address.String(), nil
}

func isURL(dsn string) bool {
	return strings.HasPrefix(dsn, "postgres://") || strings.HasPrefix(dsn, "postgresql://")
}

// newPassword returns a random password and its SCRAM-SHA-256 verifier (RFC 5803)
// with one iteration: stretching protects what people choose, and costs a test
// that opens a thousand connections a minute of hashing under the race detector.
func newPassword() (password, verifier string) {
	password = rand.Text()
	salt := []byte(rand.Text())
	salted := mac([]byte(password), append(salt[:len(salt):len(salt)], binary.BigEndian.AppendUint32(nil, 1)...))
	stored := sha256.Sum256(mac(salted, []byte("Client Key")))
	encode := base64.StdEncoding.EncodeToString
	return password, fmt.Sprintf("SCRAM-SHA-256$1:%s$%s:%s", encode(salt), encode(stored[:]), encode(mac(salted, []byte("Server Key"))))
}

func mac(key, message []byte) []byte {
	hash := hmac.New(sha256.New, key)
	hash.Write(message)
	return hash.Sum(nil)
}
