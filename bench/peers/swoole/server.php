<?php
// The chat room on PHP's Swoole. BASE mode is its leaner one, and there $server->connections holds only the worker's own clients:
// one worker, so that everybody hears everybody.
declare(strict_types=1);

const MAX_MESSAGE = 1 << 20; // bytes
const MAX_QUEUE = 4 << 20;   // bytes that may wait for one client

$at = array_search('-listen', $argv, true);
[$host, $port] = explode(':', $at === false ? '127.0.0.1:0' : $argv[$at + 1]);

// Swoole sizes its table of connections by the soft limit of open files.
$files = 1024;
if (function_exists('posix_getrlimit') && function_exists('posix_setrlimit')) {
    $limits = posix_getrlimit();
    $hard = is_int($limits['hard openfiles']) ? $limits['hard openfiles'] : 1 << 20;
    $files = posix_setrlimit(POSIX_RLIMIT_NOFILE, $hard, $hard) ? $hard : $limits['soft openfiles'];
}

$server = new Swoole\WebSocket\Server($host, (int) $port, SWOOLE_BASE);
$server->set([
    'worker_num' => 1,
    'max_connection' => $files,
    'backlog' => 4096,
    'package_max_length' => MAX_MESSAGE,
    'socket_buffer_size' => MAX_QUEUE,
    'open_tcp_nodelay' => true,
    'websocket_compression' => false,
    'enable_coroutine' => false, // nothing here waits
    'log_level' => SWOOLE_LOG_ERROR,
]);

$server->on('workerStart', static function (Swoole\WebSocket\Server $server) use ($host): void {
    echo "listening on {$host}:{$server->port}\n";
});

$server->on('message', static function (Swoole\WebSocket\Server $server, Swoole\WebSocket\Frame $frame): void {
    foreach ($server->connections as $fd) {
        // A connection is listed before its handshake; push() is false when the queue is full.
        if ($server->isEstablished($fd) && !$server->push($fd, $frame->data, $frame->opcode)) {
            $server->close($fd, true);
        }
    }
});

$server->start();
