// Package bench documents the load lab; its code is in the packages below.
package bench
