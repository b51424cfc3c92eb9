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
