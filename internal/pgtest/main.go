package pgtest

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"testing"
)

// started is the cluster that this process has used, if any: [Main] must not
// start a server only to stop it.
var started atomic.Pointer[cluster]

// Main runs a package's tests, stops the server that they shared and exits. Call
// it from TestMain:
//
//	func TestMain(m *testing.M) { pgtest.Main(m) }
//
// A package that does not call it leaks nothing from a private server, which
// notices the end of the process; on a server named by [EnvServer] its template
// databases stay behind.
func Main(m *testing.M) {
	code := m.Run()
	if err := closeShared(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	os.Exit(code)
}

func closeShared() error {
	c := started.Swap(nil)
	if c == nil {
		return nil
	}
	if c.server != nil {
		return c.server.Stop()
	}
	var failures []error
	for _, database := range c.templates {
		failures = append(failures, c.drop(database))
	}
	return errors.Join(failures...)
}
