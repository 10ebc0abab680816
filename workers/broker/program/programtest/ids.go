package programtest

import (
	"fmt"
	"os/user"
	"strconv"
)

// ids returns the numbers of an account and of its main group.
func ids(name string) (uid, gid int, err error) {
	account, err := user.Lookup(name)
	if err != nil {
		return 0, 0, err
	}
	if uid, err = strconv.Atoi(account.Uid); err != nil {
		return 0, 0, fmt.Errorf("account %s: %w", name, err)
	}
	if gid, err = strconv.Atoi(account.Gid); err != nil {
		return 0, 0, fmt.Errorf("account %s: %w", name, err)
	}
	return uid, gid, nil
}

// Names returns the names of the account and group that a server of ours runs
// as, for config files that want them spelt out.
func Names() (account, group string, err error) {
	var found *user.User
	if name := Account(); name != "" {
		found, err = user.Lookup(name)
	} else {
		found, err = user.Current()
	}
	if err != nil {
		return "", "", err
	}
	main, err := user.LookupGroupId(found.Gid)
	if err != nil {
		return "", "", err
	}
	return found.Username, main.Name, nil
}
