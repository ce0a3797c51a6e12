// Package web is the HTTP edge: handlers that return errors, the one place that
// writes those errors, the request's one log line, limits, common headers,
// strict parameter parsing, the operator's port and graceful shutdown.
//
// A [Mux] takes every request through the same numbered pipeline (see
// [Mux.ServeHTTP]) before a handler sees it. A handler returns an [*Error],
// which has two faces: what the client reads, and what the log keeps. No
// error's text and no byte of the request's input is ever reflected.
//
// What is asked thousands of times a second may be answered from memory before
// all that ([Mux.APIQuick]), with the same answer; the log need not wait for a
// disk ([AsyncWriter]).
//
// The package does not know OAuth's rules (package authz), who may call
// (package clientauth), cookies (package idp), or the sentences that people
// read (package templates, which the program hands in as [Config.ErrorPage]).
package web
