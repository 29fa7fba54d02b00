// Package page writes reports as one HTML page with charts.
package page
