package main

import (
	"context"
	"fmt"

	"roster/server/raftnode"
)

// replaced finds the id of the member that is to go; empty where none is.
func replaced(ctx context.Context, sh *shell, place placeFlags, named string) (string, error) {
	if named == "" {
		return "", nil
	}
	link, err := sh.connect.Open()
	if err != nil {
		return "", err
	}
	defer link.Close()
	old, err := sh.member(ctx, link, named)
	if err != nil {
		return "", err
	}
	if same := sharedWith(place, old.GetName(), old.GetAddress(), old.GetRaftAddress()); same != "" {
		return "", fmt.Errorf("member %s has that %s, and both are members for a while\n  give the new one another; or, where the old one is dead and its place shall be used again: `roster member remove %s`, then join without --replace",
			called(old), same, old.GetId())
	}
	return old.GetId(), nil
}

// sharedWith names what a new member must not have in common with the one that
// it replaces.
func sharedWith(place placeFlags, name, address, raftAddress string) string {
	switch {
	case place.name == name:
		return "name"
	case place.address == address:
		return "address"
	case place.raftAddress == raftAddress:
		return "raft address"
	}
	return ""
}

// sameReplaced says whether a folder that is complete was made to replace what
// is asked for now: a name, or an id, which is all that the folder has.
func sameReplaced(identity raftnode.Identity, named string) error {
	switch {
	case named == "" || named == identity.Replaces:
		return nil
	case identity.Replaces == "":
		return fmt.Errorf("member %s was made without --replace\n  start it, and once it has a vote: `roster member remove %s`", identity.Name, named)
	}
	return nil
}
