// Package client owns the way into a cluster: one connection that is any member,
// retries that are safe, request ids, and watches that go on where they broke
// off.
//
// A Client is a grpc.ClientConnInterface, so the generated clients work on it:
//
//	c, err := client.New(client.Config{Members: []string{"10.0.0.1:7401"}, TLS: tls})
//	…
//	defer c.Close()
//	nodes := v1.NewNodeServiceClient(c)
//	_, err = nodes.CordonNode(ctx, &v1.CordonNodeRequest{RequestId: c.RequestID(), Id: "mx1", Cordoned: true})
//
// A call goes to the member that answered last. Where that one cannot be reached,
// or knows no leader, the call goes round the others until its context ends, so
// every call needs a deadline. Docs: docs/api.md.
//
// The package must not know the server: it never imports server or fsm.
//
// Concurrency: a Client is safe for concurrent use. New opens no connection; a
// connection is opened by the first call that needs it and closed by Close.
package client
