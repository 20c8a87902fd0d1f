"""esperd as a service of systemd: what the service manager is told, and the proof of life that feeds its watchdog."""
