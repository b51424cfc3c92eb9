package fsm

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"

	"github.com/hashicorp/go-memdb"

	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

// Tables of keyed records. What is a sequence (events, request results) is a
// journal, what is one of its kind is a field of State.
const (
	tableNodes      = "nodes"
	tableMembers    = "members"
	tableTopologies = "topologies"
	tableRemoved    = "removed"
	tableEvicted    = "evicted"
	tableFreezes    = "freezes"
)

const (
	byID = "id"
	// byIndex orders records by the Raft index of their last change.
	byIndex = "index"
)

// evictedID is the newest request id of a caller that is no longer kept.
type evictedID struct{ caller, id string }

// keyed is an index over a key of the record; lookups take the key as a string.
type keyed[T any] func(*T) string

func (k keyed[T]) FromObject(obj any) (bool, []byte, error) { return true, []byte(k(obj.(*T))), nil }

func (k keyed[T]) FromArgs(args ...any) ([]byte, error) {
	if len(args) == 1 {
		if key, ok := args[0].(string); ok {
			return []byte(key), nil
		}
	}
	return nil, fmt.Errorf("want one string, got %d arguments", len(args))
}

// ordered makes a key of a number whose order is that of the numbers.
func ordered(n uint64) string { return string(binary.BigEndian.AppendUint64(nil, n)) }

func nodeKey(n *v1.Node) string                     { return n.GetId() }
func memberKey(m *v1.Member) string                 { return m.GetId() }
func topologyKey(t *v1.TopologyRevision) string     { return ordered(t.GetRevision()) }
func removedKey(r *storev1.RemovedNode) string      { return removedKeyOf(r.GetId(), r.GetInstance()) }
func removedKeyOf(id, instance string) string       { return id + "\x00" + instance }
func freezeKey(f *v1.Freeze) string                 { return f.GetId() }
func evictedKey(e *evictedID) string                { return e.caller }
func nodeIndexKey(n *v1.Node) string                { return ordered(n.GetIndex()) }
func removedIndexKey(r *storev1.RemovedNode) string { return ordered(r.GetIndex()) }

// newDB makes an empty database.
func newDB() *memdb.MemDB {
	table := func(name string, indexes ...*memdb.IndexSchema) *memdb.TableSchema {
		t := &memdb.TableSchema{Name: name, Indexes: map[string]*memdb.IndexSchema{}}
		for _, index := range indexes {
			t.Indexes[index.Name] = index
		}
		return t
	}
	primary := func(key memdb.SingleIndexer) *memdb.IndexSchema {
		return &memdb.IndexSchema{Name: byID, Unique: true, Indexer: key.(memdb.Indexer)}
	}
	changed := func(key memdb.SingleIndexer) *memdb.IndexSchema {
		return &memdb.IndexSchema{Name: byIndex, Indexer: key.(memdb.Indexer)}
	}
	schema := &memdb.DBSchema{Tables: map[string]*memdb.TableSchema{
		tableNodes:      table(tableNodes, primary(keyed[v1.Node](nodeKey)), changed(keyed[v1.Node](nodeIndexKey))),
		tableMembers:    table(tableMembers, primary(keyed[v1.Member](memberKey))),
		tableTopologies: table(tableTopologies, primary(keyed[v1.TopologyRevision](topologyKey))),
		tableRemoved:    table(tableRemoved, primary(keyed[storev1.RemovedNode](removedKey)), changed(keyed[storev1.RemovedNode](removedIndexKey))),
		tableEvicted:    table(tableEvicted, primary(keyed[evictedID](evictedKey))),
		tableFreezes:    table(tableFreezes, primary(keyed[v1.Freeze](freezeKey))),
	}}
	db, err := memdb.NewMemDB(schema)
	if err != nil {
		panic(fmt.Sprintf("the schema above is wrong: %v", err))
	}
	return db
}

// must is for lookups that fail only where the schema does not have the index.
func must[T any](v T, err error) T {
	if err != nil {
		panic(fmt.Sprintf("the schema does not have it: %v", err))
	}
	return v
}

// find returns the record with that key, or nil.
func find[T any](txn *memdb.Txn, table, key string) *T {
	row, _ := must(txn.First(table, byID, key)).(*T)
	return row
}

// all returns the records of a table, sorted by key.
func all[T any](txn *memdb.Txn, table string) []*T {
	var rows []*T
	it := must(txn.Get(table, byID))
	for row := it.Next(); row != nil; row = it.Next() {
		rows = append(rows, row.(*T))
	}
	return rows
}

// since returns the records changed after a Raft index, in order of change.
func since[T any](txn *memdb.Txn, table string, index uint64) []*T {
	if index == ^uint64(0) {
		return nil
	}
	var rows []*T
	it := must(txn.LowerBound(table, byIndex, ordered(index+1)))
	for row := it.Next(); row != nil; row = it.Next() {
		rows = append(rows, row.(*T))
	}
	return rows
}

// staged is a table under an entry that is being applied: changes are kept
// aside and written once, which is much cheaper than reading from a
// transaction that has pending writes.
type staged[T any] struct {
	table string
	base  *memdb.Txn
	// Changed records by key; nil: taken away.
	rows map[string]*T
}

func stage[T any](base *memdb.Txn, table string) staged[T] {
	return staged[T]{table: table, base: base, rows: map[string]*T{}}
}

func (s *staged[T]) get(key string) *T {
	if row, ok := s.rows[key]; ok {
		return row
	}
	return find[T](s.base, s.table, key)
}

func (s *staged[T]) put(key string, row *T) { s.rows[key] = row }

func (s *staged[T]) drop(key string) { s.rows[key] = nil }

// list merges what is there and what is staged, sorted by key.
func (s *staged[T]) list(key func(*T) string) []*T {
	rows := all[T](s.base, s.table)
	if len(s.rows) == 0 {
		return rows
	}
	merged := make(map[string]*T, len(rows)+len(s.rows))
	for _, row := range rows {
		merged[key(row)] = row
	}
	for k, row := range s.rows {
		if row == nil {
			delete(merged, k)
		} else {
			merged[k] = row
		}
	}
	rows = rows[:0:0]
	for _, k := range slices.Sorted(maps.Keys(merged)) {
		rows = append(rows, merged[k])
	}
	return rows
}

// flush writes what is staged.
func (s *staged[T]) flush(txn *memdb.Txn) error {
	for _, k := range slices.Sorted(maps.Keys(s.rows)) {
		row := s.rows[k]
		if row != nil {
			if err := txn.Insert(s.table, row); err != nil {
				return fmt.Errorf("put %q into %s: %w", k, s.table, err)
			}
			continue
		}
		if old := find[T](s.base, s.table, k); old != nil {
			if err := txn.Delete(s.table, old); err != nil {
				return fmt.Errorf("delete %q from %s: %w", k, s.table, err)
			}
		}
	}
	return nil
}
