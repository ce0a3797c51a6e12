package remote

import (
	"errors"
	"os/exec"
	"runtime"
)

// errNoBrowser: there is no screen, or nothing that opens pages.
var errNoBrowser = errors.New("no browser can be opened here")

// OpenBrowser shows a page to the person at this machine, if there is one. env
// reads the environment.
func OpenBrowser(env func(string) string, page string) error {
	name, args := opener(runtime.GOOS, env)
	if name == "" {
		return errNoBrowser
	}
	cmd := exec.Command(name, append(args, page)...)
	if err := cmd.Start(); err != nil {
		return errNoBrowser
	}
	go cmd.Wait()
	return nil
}

// opener is the program that shows a page. Without a screen there is none: a
// browser in the terminal would take it from the command that waits.
func opener(system string, env func(string) string) (name string, args []string) {
	switch system {
	case "darwin":
		return "open", nil
	case "windows":
		return "rundll32", []string{"url.dll,FileProtocolHandler"}
	}
	if env("DISPLAY") == "" && env("WAYLAND_DISPLAY") == "" {
		return "", nil
	}
	return "xdg-open", nil
}
