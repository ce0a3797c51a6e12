// Package device says in words what a browser calls itself, so that people recognize
// their own.
//
// It owns the marks by which browsers and systems are known. It decides nothing:
// anybody can send any user agent.
package device
