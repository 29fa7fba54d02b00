<?php
// Serves the chat rooms with PHP's Swoole, in its leaner BASE mode. There a worker knows only its own clients, so the program has one worker.
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

$rooms = [];  // fds by path
$pathOf = []; // by fd

$server->on('open', static function (Swoole\WebSocket\Server $server, Swoole\Http\Request $request) use (&$rooms, &$pathOf): void {
    $path = $request->server['request_uri'];
    $rooms[$path][$request->fd] = true;
    $pathOf[$request->fd] = $path;
});

$server->on('message', static function (Swoole\WebSocket\Server $server, Swoole\WebSocket\Frame $frame) use (&$rooms, &$pathOf): void {
    foreach ($rooms[$pathOf[$frame->fd]] as $fd => $_) {
        // push() is false when the queue is full.
        if ($server->isEstablished($fd) && !$server->push($fd, $frame->data, $frame->opcode)) {
            $server->close($fd, true);
        }
    }
});

// It comes for connections that were never upgraded too.
$server->on('close', static function (Swoole\WebSocket\Server $server, int $fd) use (&$rooms, &$pathOf): void {
    if (!isset($pathOf[$fd])) {
        return;
    }
    $path = $pathOf[$fd];
    unset($rooms[$path][$fd], $pathOf[$fd]);
    if ($rooms[$path] === []) {
        unset($rooms[$path]);
    }
});

$server->start();
