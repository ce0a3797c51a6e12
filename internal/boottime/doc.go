// Package boottime is a clock for promises that must not outlast a sleep: it
// counts how long the machine has been up, the time that it spent suspended
// included. Nobody sets it, so that it never steps.
//
// It owns the choice of that clock on each operating system. What time it is
// (dates, expiry) is not its concern.
package boottime
