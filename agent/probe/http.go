package probe

import (
	"fmt"
	"net/http"

	v1 "roster/proto/roster/v1"
)

// jmap expects the session resource, who asks for credentials or not, or the way to
// it (RFC 8620 §2.2).
func (c *conversation) jmap() error {
	res, err := c.request(http.MethodGet, "/.well-known/jmap")
	if err != nil {
		return err
	}
	switch res.StatusCode {
	case http.StatusOK, http.StatusUnauthorized,
		http.StatusMovedPermanently, http.StatusFound, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return nil
	}
	return unexpected(res.Status)
}

// webdav expects the DAV header in the answer to OPTIONS (RFC 4918 §10.1).
func (c *conversation) webdav() error {
	res, err := c.request(http.MethodOptions, "/")
	if err != nil {
		return err
	}
	if res.Header.Get("DAV") == "" {
		return fmt.Errorf("%w, without a DAV header", unexpected(res.Status))
	}
	return nil
}

// request sends one request, on a connection that ends with it.
func (c *conversation) request(method, path string) (*http.Response, error) {
	if c.endpoint.GetTls() == v1.Tls_TLS_STARTTLS {
		return nil, fmt.Errorf("%s has no STARTTLS: say tls: implicit or none", c.endpoint.GetService())
	}
	if c.endpoint.GetPath() != "" {
		path = c.endpoint.GetPath()
	}
	req, err := http.NewRequest(method, "http://"+c.address+path, nil) //nolint:noctx // the connection carries the deadline
	if err != nil {
		return nil, err
	}
	req.Close = true
	req.Header.Set("User-Agent", "roster-probe")
	if err := req.Write(c.conn); err != nil {
		return nil, err
	}
	res, err := http.ReadResponse(c.in, req)
	if err != nil {
		if timeout(err) {
			return nil, err
		}
		return nil, fmt.Errorf("%w: %w", ErrAnswer, err)
	}
	return res, res.Body.Close()
}
