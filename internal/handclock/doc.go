// Package handclock is a clock for tests, which move it by hand. It owns nothing else:
// programs take their time from package time.
package handclock
