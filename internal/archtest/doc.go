// Package archtest keeps the repository's shape: who may import whom, who may use
// which library, and the habits that a reader would otherwise have to police.
//
// It owns the rules and their reasons, and runs them on the source text alone, so
// that they hold for packages that do not compile yet. It does not own style
// that a linter knows (.golangci.yml), and says nothing about what code does.
package archtest
