// Package version knows the version of webim, and the build.
package version
