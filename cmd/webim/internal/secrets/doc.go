// Package secrets reads secrets and keys from files, and refuses those with characters that nobody sees.
package secrets
