// Package manager tells the service manager about the process. A service manager that starts a program (systemd with
// Type=notify or notify-reload) names its socket in NOTIFY_SOCKET. The program reports there when it serves, reloads and
// stops, and, if WATCHDOG_USEC is set, that it is alive.
package manager
