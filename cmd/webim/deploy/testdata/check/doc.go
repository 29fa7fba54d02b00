// Package check tests what is deployed of webim with the libraries of those who run it: Docker's parsers of Dockerfiles and of
// compose files, Helm, the types of the Kubernetes API, and an ACME server. It is a module of its own, so that webim needs none
// of them.
package check
