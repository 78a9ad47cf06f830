// Package e2e has tests of the HTTP API from outside: the program that serves
// it, the document's own client, a client that is generated from the OpenAPI
// document, and that document against every answer of the handler's tests.
package e2e
