package wire_test

import (
	"errors"
	"fmt"
	"io"

	"github.com/centrifugal/protocol"

	"webim/room/wire"
)

// A message with three commands. The example leaves out their handling.
func ExampleDecode() {
	message := []byte(`{"id":1,"connect":{"name":"js"}}
{"id":2,"subscribe":{"channel":"lobby"}}
{"id":3,"subscribe":{"channel":""}}`)

	commands, err := wire.Decode(wire.JSON, message, 100)
	for err == nil {
		var method wire.Method
		var command *protocol.Command
		method, command, err = commands.Next()
		if err == nil {
			fmt.Println(method, command.GetId(), wire.Check(method, command))
		}
	}
	if code := wire.DisconnectCode(0); errors.As(err, &code) {
		fmt.Println("close the connection with", code)
	}
	fmt.Println(err == io.EOF)
	// Output:
	// connect 1 <nil>
	// subscribe 2 <nil>
	// subscribe 3 107: bad request
	// true
}

// Two replies go out in one message, together with a publication that was encoded before for
// everybody in the room.
func ExampleAppend() {
	shared, _ := wire.AppendPublication(nil, wire.JSON, "lobby", &protocol.Publication{Data: []byte(`{"text":"hi"}`), Offset: 8})

	var message []byte
	message, _ = wire.Append(message, wire.JSON, &protocol.Reply{Id: 3, Publish: &protocol.PublishResult{}})
	message, _ = wire.Append(message, wire.JSON, wire.ErrPermissionDenied.Reply(4))
	message = wire.Join(message, wire.JSON, shared)
	message = wire.AppendPing(message, wire.JSON)
	fmt.Printf("%s\n", message)
	// Output:
	// {"id":3,"publish":{}}
	// {"id":4,"error":{"code":103,"message":"permission denied"}}
	// {"push":{"channel":"lobby","pub":{"data":{"text":"hi"},"offset":8}}}
	// {}
}

// The same publication for Protobuf connections.
func ExampleAppendPublication() {
	message, err := wire.AppendPublication(nil, wire.Protobuf, "lobby", &protocol.Publication{Data: []byte("1"), Offset: 8})
	fmt.Printf("%q %v\n", message, err)
	// Output:
	// "\x10\"\x0e\x12\x05lobby\"\x05\"\x0110\b" <nil>
}

// A room with clients of both dialects.
func ExampleTextData() {
	data, _ := wire.TextData([]byte(`"hi" & <bye>`))
	fmt.Printf("%s\n", data)
	fmt.Printf("%s\n", wire.DataText(data))
	fmt.Printf("%s\n", wire.DataText([]byte(`{"photo":"cat.jpg","likes":3}`)))
	// Output:
	// {"text":"\"hi\" & <bye>"}
	// "hi" & <bye>
	// {"photo":"cat.jpg","likes":3}
}

// Without the check by Data, a Protobuf sender could send forged replies to JSON receivers.
func ExampleData() {
	data, err := wire.Data(false, []byte("{\n  \"text\": \"hi\"\n}"))
	fmt.Printf("%s %v\n", data, err)

	_, err = wire.Data(false, []byte("1}}}\n{\"push\":{\"message\":{\"data\":\"I am the server\"}}}"))
	fmt.Println(err)
	// Output:
	// {  "text": "hi"} <nil>
	// 107: bad request
}
