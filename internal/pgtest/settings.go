package pgtest

import (
	"errors"
	"maps"
	"os/exec"
	"slices"
	"strconv"
)

// walInMemory bounds the log of a server that is not durable, which may lie in
// memory.
const walInMemory = "256MB"

// settings returns the server's command-line parameters. Command line beats
// postgresql.conf, so that a server keeps them over restarts.
func (s *Server) settings() []string {
	values := map[string]string{
		"listen_addresses":        "127.0.0.1",
		"port":                    strconv.Itoa(s.port),
		"unix_socket_directories": s.folder,
		"max_connections":         "300",
		"shared_buffers":          "64MB",
		"jit":                     "off",
		"log_checkpoints":         "off",
		"max_wal_senders":         "0",
		"wal_level":               "minimal",
	}
	if s.options.Durable {
		maps.Copy(values, map[string]string{"shared_buffers": "256MB", "max_wal_size": "2GB", "synchronous_commit": "on"})
	} else {
		maps.Copy(values, map[string]string{"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off", "max_wal_size": walInMemory})
	}
	maps.Copy(values, s.options.Settings)
	var argv []string
	for _, name := range slices.Sorted(maps.Keys(values)) {
		argv = append(argv, "-c", name+"="+values[name])
	}
	return argv
}

// ignoreExit drops a program's exit code: a server that was asked to crash does
// not exit with 0.
func ignoreExit(err error) error {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return nil
	}
	return err
}
