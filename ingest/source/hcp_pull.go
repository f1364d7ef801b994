package source

import "errors"

func newHCPPuller(c Config) (Puller, error) { return nil, errors.New("not yet") }
