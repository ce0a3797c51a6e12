// Command runner makes checks with an API key until the key dies; see package runner.
package main
