// Package invitations counts invitations, so that no user gets many of another one. Each node counts
// separately.
//
// # Lock order
//
// Counter.mu guards the buckets. It is innermost: nothing is locked under it.
package invitations
