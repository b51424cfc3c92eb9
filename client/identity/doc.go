// Package identity owns who is who: the name in a certificate, the files that
// prove it, the TLS configurations that check it, and the authority that issues
// it.
//
// An identity is the certificate's one URI SAN,
// roster://<cluster>/<member|agent|user>/<name>. Host names and common names
// mean nothing. Every connection is TLS 1.3 with certificates on both sides; a
// client accepts members of its own cluster only.
//
// The package must not know what an identity may do: that is the server's table
// of methods. It knows no gRPC and no protobuf message.
//
// Concurrency: everything is safe for concurrent use. Nothing here starts a
// goroutine; certificate files are looked at again on each handshake.
package identity
