package raftnode

import (
	"errors"
	"runtime"
	"slices"
	"sync/atomic"

	"github.com/hashicorp/raft"
)

// watchedStore is the log under a watch: writes are timed and counted, and a
// page that cannot be read stops the member instead of the process.
type watchedStore struct {
	inner logStore
	watch *diskWatch
	// stop tells the member to stop; nil until raft runs.
	stop atomic.Pointer[func(error)]
	dir  string
	// me is this member's id; belonged is set once a configuration with it was
	// stored.
	me       raft.ServerID
	belonged atomic.Bool
}

// arm makes the store stop the member by itself, once raft has read it.
func (s *watchedStore) arm(stop func(error)) { s.stop.Store(&stop) }

func (s *watchedStore) write(what string, f func() error) error {
	end := s.watch.begin(what)
	err := guarded(f)
	fatal := end(err)
	if stop := s.stop.Load(); fatal != nil && stop != nil {
		(*stop)(fatal)
	}
	return err
}

// read runs f. Raft panics where its log cannot be read; a panic in one of its
// goroutines would end the process without a word to the operator. So the
// member is told to stop, and the goroutine ends here.
func (s *watchedStore) read(f func() error) error {
	err := guarded(f)
	if err == nil || errors.Is(err, raft.ErrLogNotFound) || err.Error() == "not found" {
		return err
	}
	err = damaged(s.dir, logName, err)
	if stop := s.stop.Load(); stop != nil {
		(*stop)(err)
		runtime.Goexit()
	}
	return err
}

// peek reads an entry for somebody outside raft.
func (s *watchedStore) peek(index uint64, log *raft.Log) error {
	return guarded(func() error { return s.inner.GetLog(index, log) })
}

func (s *watchedStore) FirstIndex() (index uint64, err error) {
	err = s.read(func() (err error) { index, err = s.inner.FirstIndex(); return err })
	return index, err
}

func (s *watchedStore) LastIndex() (index uint64, err error) {
	err = s.read(func() (err error) { index, err = s.inner.LastIndex(); return err })
	return index, err
}

func (s *watchedStore) GetLog(index uint64, log *raft.Log) error {
	return s.read(func() error { return s.inner.GetLog(index, log) })
}

func (s *watchedStore) StoreLog(log *raft.Log) error {
	return s.StoreLogs([]*raft.Log{log})
}

func (s *watchedStore) StoreLogs(logs []*raft.Log) error {
	for _, log := range logs {
		if log.Type == raft.LogConfiguration && slices.ContainsFunc(raft.DecodeConfiguration(log.Data).Servers,
			func(server raft.Server) bool { return server.ID == s.me }) {
			s.belonged.Store(true)
		}
	}
	return s.write("a write to the log", func() error { return s.inner.StoreLogs(logs) })
}

func (s *watchedStore) DeleteRange(first, last uint64) error {
	return s.write("a cut of the log", func() error { return s.inner.DeleteRange(first, last) })
}

func (s *watchedStore) Set(key, value []byte) error {
	return s.write("a write of the vote", func() error { return s.inner.Set(key, value) })
}

func (s *watchedStore) SetUint64(key []byte, value uint64) error {
	return s.write("a write of the term", func() error { return s.inner.SetUint64(key, value) })
}

func (s *watchedStore) Get(key []byte) (value []byte, err error) {
	err = s.read(func() (err error) { value, err = s.inner.Get(key); return err })
	return value, err
}

func (s *watchedStore) GetUint64(key []byte) (value uint64, err error) {
	err = s.read(func() (err error) { value, err = s.inner.GetUint64(key); return err })
	return value, err
}
