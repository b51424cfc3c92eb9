package builtin

import (
	"bufio"
	"io"
	"net/http"
	"strings"
	"time"
)

// http answers requests one after the other; while the service drains, each answer
// is the last of its connection.
func (ses *session) http(in *bufio.Reader, answer func(*http.Request) *http.Response) {
	for !ses.draining.Load() {
		_ = ses.conn.SetReadDeadline(time.Now().Add(idle))
		if ses.draining.Load() {
			return
		}
		req, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		_, err = io.Copy(io.Discard, io.LimitReader(req.Body, 1<<20))
		if err != nil {
			return
		}
		res := answer(req)
		res.Proto, res.ProtoMajor, res.ProtoMinor = "HTTP/1.1", 1, 1
		res.Close = req.Close || ses.draining.Load()
		res.Request = req
		_ = ses.conn.SetWriteDeadline(time.Now().Add(time.Minute))
		if err := res.Write(ses.conn); err != nil || res.Close {
			return
		}
	}
}

func page(code int, kind, body string) *http.Response {
	return &http.Response{
		StatusCode:    code,
		Header:        http.Header{"Content-Type": {kind}, "Server": {"roster-builtin"}},
		Body:          io.NopCloser(strings.NewReader(body)),
		ContentLength: int64(len(body)),
	}
}

// jmap knows where its session resource is (RFC 8620 §2); any credentials will do.
func jmap(req *http.Request) *http.Response {
	switch req.URL.Path {
	case "/.well-known/jmap":
		res := page(http.StatusMovedPermanently, "text/plain", "")
		res.Header.Set("Location", "/jmap")
		return res
	case "/jmap", "/jmap/session":
		if req.Header.Get("Authorization") == "" {
			res := page(http.StatusUnauthorized, "text/plain", "who are you?\n")
			res.Header.Set("WWW-Authenticate", `Basic realm="jmap"`)
			return res
		}
		return page(http.StatusOK, "application/json",
			`{"capabilities":{"urn:ietf:params:jmap:core":{}},"accounts":{},"primaryAccounts":{},"username":"","apiUrl":"/jmap","state":"0"}`+"\n")
	}
	return page(http.StatusNotFound, "text/plain", "no such page\n")
}

// webdav has one empty collection (RFC 4918).
func webdav(req *http.Request) *http.Response {
	switch req.Method {
	case http.MethodOptions:
		res := page(http.StatusOK, "text/plain", "")
		res.Header.Set("DAV", "1, 2, calendar-access, addressbook")
		res.Header.Set("Allow", "OPTIONS, GET, HEAD, PROPFIND")
		return res
	case "PROPFIND":
		return page(http.StatusMultiStatus, "application/xml; charset=utf-8",
			`<?xml version="1.0" encoding="utf-8"?>`+"\n"+
				`<multistatus xmlns="DAV:"><response><href>/</href><propstat><prop><resourcetype><collection/></resourcetype></prop>`+
				`<status>HTTP/1.1 200 OK</status></propstat></response></multistatus>`+"\n")
	case http.MethodGet, http.MethodHead:
		return page(http.StatusOK, "text/plain", "nothing here\n")
	}
	return page(http.StatusMethodNotAllowed, "text/plain", "not built\n")
}
