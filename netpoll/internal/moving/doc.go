// Package moving writes down connections for another process, and reads them: the format of a connection's
// record in a live upgrade. It knows neither sockets nor tables.
//
//	conn.go    Conn: everything that a connection's record and tables hold, but the descriptor
//	server.go  Server: the listeners, the records, and the latest events of a server
//	encode.go  Writer
//	decode.go  Reader, which checks each value: it accepts any bytes and never panics
//
// The numbers of the fields are in encode.go, and follow the rules of package snapshot. testdata has a
// connection in each version.
//
// # Words
//
//	word     meaning
//	head     the stage in which the head of a request is collected
//	open     the stage of a WebSocket
//	drain    the stage in which nothing more is sent, and the end of the client's stream is awaited
//	kept     a message that the handler gets in a later turn
//	part     some of the connections of a server
//	in ms    a time in milliseconds from now; negative: it has passed
package moving
