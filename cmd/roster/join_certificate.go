package main

import (
	"fmt"

	"roster/client/identity"
)

// ownCertificate refuses the certificate of another member before the cluster
// hears of the new one, which could not start with it. An operator joins a
// member with his own.
func ownCertificate(files identity.Files, name string) error {
	if files.IsZero() {
		return nil
	}
	who, err := files.Identity()
	if err != nil {
		return err
	}
	if who.Role == identity.User || who.Role == identity.Member && who.Name == name {
		return nil
	}
	return fmt.Errorf("certificate %s is for %s, and cannot let member %s join\n  issue one with `roster certs member %s`, or join with an operator's",
		files.Cert, who, name, name)
}

// serverFlags are the certificate flags with which a member is started: those
// that were given, unless they are an operator's, with which none starts.
func serverFlags(files identity.Files, name string) string {
	if who, err := files.Identity(); !files.IsZero() && err == nil && who.Role == identity.User {
		return fmt.Sprintf(" --ca %s --cert member-%s.pem --key member-%[2]s-key.pem", files.CA, name)
	}
	return certFlags(files)
}
