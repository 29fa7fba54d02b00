// All texts of the page, in both languages.

import { local } from './storage.js';

const STORED = 'webim.language';

const words = {
  en: {
    other: '中文', title: 'live', leave: 'Leave', watch: 'Watch',
    enterTitle: 'Who is watching?', keyLabel: 'A key of the server API, or a moderator’s token', keyNote: 'It stays in this tab until it is closed.',
    refused_denied: 'This key or token does not open the picture.', refused_ended: 'The token has expired or is no longer valid.',
    state_connecting: 'Connecting …', state_waiting: 'No connection', state_full: 'Too many people watch already', retry: 'next try in {seconds} s', state_live: 'Live · {version} · node {node}',
    figures: 'This node, second by second', chartsLabel: 'Charts; the arrow keys choose a moment', noFigures: 'The first figures come in two seconds.', upTo: 'until {time}', atMoment: 'at {time}',
    chart_connections: 'Connections', inRooms: 'rooms: {rooms}, members: {members}',
    chart_in: 'Messages in', perSecond: 'a second',
    chart_out: 'Messages out', delivered: 'delivered',
    chart_written: 'From publish to written', p50: 'p50', p99: 'p99',
    chart_queued: 'Waiting for slow sockets', lagging: 'connections that lag: {n}', storeFault: 'The store cannot be used: {why}',
    chart_evicted: 'Closed for not reading', evictedAll: 'since the start: {slow} too slow, {evicted} evicted',
    chart_memory: 'Resident memory', perConnection: 'a connection', memoryAll: 'in all {rss}, of it Go heap {heap}',
    chart_busy: 'Workers busy', workers: 'of {workers}; {goroutines} goroutines',
    allNodes: 'All nodes', thisNode: '{node} (this one)', nodesMissing: 'A node does not answer. These are the numbers at {time}.',
    findTitle: 'Find a user or a room', findLabel: 'User, id of a connection, IP address, or room with * for any characters', by: 'What it is', byUser: 'user', byClient: 'connection', byAddress: 'address', byRoom: 'room', find: 'Find',
    foundNone: 'Nobody of that name is connected to this node, at {time}.', foundOne: 'One connection to this node, at {time}.', foundAll: '{all} connections to this node, at {time}.', foundSome: 'The first {n} of {all} connections to this node, at {time}.',
    foundElsewhere: 'On other nodes: {nodes}.', foundMissing: 'The other nodes did not answer.',
    roomsNone: 'No such room has members, at {time}.', roomsOne: 'One room, at {time}.', roomsAll: '{all} rooms, at {time}.', roomsSome: 'The {n} largest of {all} rooms, at {time}.',
    trace: 'Trace for 5 minutes', traceEnd: 'End the trace', tracing: 'Tracing {who} on this node until {time}: connections {n}. No text is shown.', traceWhom: 'Name a user or a room to trace.', col_time: 'Time', col_event: 'Event', col_times: 'Times', col_size: 'Size',
    traced_message: 'messages from it', traced_sent: 'messages to it', traced_command: 'command', traced_refusal: 'refused', traced_full: 'its socket is full', traced_rest: 'not read for a while', traced_opened: 'opened', traced_refused: 'refused at the door', traced_ended: 'ended',
    ended: 'Connections that have ended', neverOpen: 'never open', col_ended: 'Ended', col_by: 'By', col_why: 'Why', col_queue: 'Longest queue', col_trip: 'Round trip', col_last: 'Before the end',
    by_client: 'client', by_network: 'network', by_server: 'server', by_operator: 'operator', by_limit: 'a limit',
    event_message: '{before}: messages {n}, {bytes}', event_full: '{before}: socket full, {bytes} wait', event_rest: '{before}: not read for a while', event_refusal: '{before}: refused {n}×: {what}',
    slowest: 'The slowest clients', nobodySlow: 'Nobody: all sockets take what is sent.', largest: 'The largest rooms', noRooms: 'Nobody is in a room.',
    col_user: 'User', col_client: 'Connection', col_address: 'Address', col_dialect: 'Dialect', col_rooms: 'Rooms', col_opened: 'Since', col_queued: 'Waiting',
    col_took: 'Last took', col_actions: 'Actions', col_room: 'Room', col_members: 'Members', col_unswept: 'Not yet sent',
    col_node: 'Node', col_version: 'Version', col_uptime: 'Started', col_connections: 'Connections', col_users: 'Users', col_onNodes: 'On nodes',
    nameless: '(no name)', unixSocket: 'Unix socket', andMore: '{names} and {n} more',
    disconnect: 'Disconnect', kick: 'Kick', ban: 'Ban', toWhom: '{action}: {target}', elsewhere: 'not from this address',
    ask_disconnect: 'Disconnect {target}?', what_disconnect: 'This one connection is closed for good. Its user may connect again by hand.',
    ask_kick: 'Kick {target}?', what_kick: 'All connections of the user are closed, on all nodes.',
    ask_ban: 'Ban {target}?', what_ban: 'All connections are closed, on all nodes, and no new one is let in until the ban ends.',
    what_banAddress: 'The user has no name: the address is banned. Everybody who connects from it is closed, on all nodes, and nobody is let in from there until the ban ends.',
    howLong: 'For how long', tenMinutes: 'ten minutes', anHour: 'an hour', aDay: 'a day', aWeek: 'a week', forEver: 'until it is lifted',
    reason: 'Reason, which the user may see', cancel: 'Cancel',
    done: '{action}: {target}: done.', failed: '{action}: {target}: {why}', noAnswer: 'the server did not answer',
  },
  zh: {
    other: 'English', title: '实时', leave: '退出', watch: '查看',
    enterTitle: '请验证身份', keyLabel: '服务器 API 密钥，或管理员令牌', keyNote: '仅保存在此标签页中，关闭后即清除。',
    refused_denied: '该密钥或令牌无权查看。', refused_ended: '令牌已过期或已失效。',
    state_connecting: '正在连接…', state_waiting: '连接已断开', state_full: '查看者过多', retry: '{seconds} 秒后重试', state_live: '实时 · {version} · 节点 {node}',
    figures: '本节点每秒数据', chartsLabel: '图表；用方向键选择时刻', noFigures: '两秒后显示首批数据。', upTo: '截至 {time}', atMoment: '{time} 时',
    chart_connections: '连接数', inRooms: '{rooms} 个房间，{members} 个成员',
    chart_in: '收到的消息', perSecond: '每秒',
    chart_out: '发出的消息', delivered: '投递',
    chart_written: '从发布到写出', p50: 'p50', p99: 'p99',
    chart_queued: '等待慢客户端', lagging: '{n} 个连接滞后', storeFault: '存储不可用：{why}',
    chart_evicted: '因不读取而关闭', evictedAll: '启动以来：过慢 {slow}，驱逐 {evicted}',
    chart_memory: '常驻内存', perConnection: '每连接', memoryAll: '共 {rss}，其中 Go 堆 {heap}',
    chart_busy: '忙碌的工作协程', workers: '共 {workers} 个；goroutine {goroutines} 个',
    allNodes: '全部节点', thisNode: '{node}（本节点）', nodesMissing: '有节点没有响应。以下为 {time} 的数据。',
    findTitle: '查找', findLabel: '用户、连接 ID、IP 地址或房间（* 代表任意字符）', by: '类型', byUser: '用户', byClient: '连接', byAddress: '地址', byRoom: '房间', find: '查找',
    foundNone: '{time}：本节点上没有该用户或连接。', foundOne: '{time}：本节点 1 个连接。', foundAll: '{time}：本节点 {all} 个连接。', foundSome: '{time}：本节点共 {all} 个连接，显示前 {n} 个。',
    foundElsewhere: '其他节点：{nodes}。', foundMissing: '其他节点没有响应。',
    roomsNone: '{time}：没有这样的房间有成员。', roomsOne: '{time}：1 个房间。', roomsAll: '{time}：{all} 个房间。', roomsSome: '{time}：共 {all} 个房间，显示最大的 {n} 个。',
    trace: '跟踪 5 分钟', traceEnd: '结束跟踪', tracing: '正在本节点跟踪 {who}，至 {time}；连接 {n} 个。不显示任何文本。', traceWhom: '请填写要跟踪的用户或房间。', col_time: '时间', col_event: '事件', col_times: '次数', col_size: '大小',
    traced_message: '收到消息', traced_sent: '发出消息', traced_command: '命令', traced_refusal: '拒绝', traced_full: '套接字已满', traced_rest: '暂停读取', traced_opened: '打开', traced_refused: '握手被拒绝', traced_ended: '结束',
    ended: '已结束的连接', neverOpen: '未建立', col_ended: '结束', col_by: '由', col_why: '原因', col_queue: '最长队列', col_trip: '往返时间', col_last: '结束之前',
    by_client: '客户端', by_network: '网络', by_server: '服务器', by_operator: '管理员', by_limit: '限制',
    event_message: '{before}：消息 {n} 条，{bytes}', event_full: '{before}：套接字已满，等待 {bytes}', event_rest: '{before}：暂停读取', event_refusal: '{before}：拒绝 {n} 次：{what}',
    slowest: '最慢的客户端', nobodySlow: '没有：所有客户端都及时接收。', largest: '最大的房间', noRooms: '没有人在房间里。',
    col_user: '用户', col_client: '连接', col_address: '地址', col_dialect: '协议', col_rooms: '房间', col_opened: '接入', col_queued: '等待',
    col_took: '上次接收', col_actions: '操作', col_room: '房间', col_members: '成员', col_unswept: '未发送',
    col_node: '节点', col_version: '版本', col_uptime: '启动', col_connections: '连接', col_users: '用户', col_onNodes: '所在节点',
    nameless: '（匿名）', unixSocket: 'Unix 套接字', andMore: '{names} 等，另有 {n} 个',
    disconnect: '断开', kick: '踢出', ban: '封禁', toWhom: '{action}：{target}', elsewhere: '此地址不可操作',
    ask_disconnect: '断开 {target}？', what_disconnect: '仅关闭这一个连接，客户端不会自动重连；用户可手动重新连接。',
    ask_kick: '踢出 {target}？', what_kick: '关闭该用户在所有节点上的全部连接。',
    ask_ban: '封禁 {target}？', what_ban: '关闭其在所有节点上的全部连接，封禁结束前不得再连接。',
    what_banAddress: '该用户没有名字，将封禁其地址：关闭来自该地址的全部连接（所有节点），封禁结束前任何人都不得从该地址连接。',
    howLong: '时长', tenMinutes: '十分钟', anHour: '一小时', aDay: '一天', aWeek: '一周', forEver: '直到解除',
    reason: '原因（用户可能看到）', cancel: '取消',
    done: '{action}：{target}：完成。', failed: '{action}：{target}：{why}', noAnswer: '服务器没有响应',
  },
};

let current = stored() ?? (navigator.language.startsWith('zh') ? 'zh' : 'en');

function stored() {
  const kept = local.getItem(STORED);
  return Object.hasOwn(words, kept) ? kept : null;
}

// language is the current language, as browsers name it.
export const language = () => current;

// t returns a text with its {names} filled in.
export const t = (name, values = {}) => (words[current][name] ?? name).replace(/\{(\w+)\}/g, (_, key) => values[key] ?? '');

export function toggleLanguage() {
  current = current === 'en' ? 'zh' : 'en';
  local.setItem(STORED, current);
}

// translate writes the texts of the document itself: data-t names a text, data-l a label.
export function translate() {
  document.documentElement.lang = current === 'zh' ? 'zh-CN' : 'en';
  for (const e of document.querySelectorAll('[data-t]')) e.textContent = t(e.dataset.t);
  for (const e of document.querySelectorAll('[data-l]')) e.ariaLabel = t(e.dataset.l);
  const button = document.getElementById('language');
  button.textContent = t('other');
  button.lang = current === 'zh' ? 'en' : 'zh-CN';
}
