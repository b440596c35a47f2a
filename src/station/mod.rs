//! The service: start order, supervision of tasks, drain on SIGTERM, systemd notification, status socket.
