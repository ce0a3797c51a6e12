// Command watchgate is the authorization server: its configuration, the wiring
// of its rooms, its listeners and signals, and the operator's commands.
//
//	watchgate dev                        everything on one machine
//	watchgate serve --config FILE        the production server
//	watchgate migrate up|status          the database's schema
//	watchgate config check FILE          every problem of a configuration at once
//	watchgate tenant|client|connection|resource-server|signing-key ...
//
// It owns every default, flag and environment variable. It owns no rule of the
// protocol, of registration, or of storage.
package main
