// Package floor is the floor server: a bare loop of read(2) and write(2), the physical limit with which servers are compared.
package floor
