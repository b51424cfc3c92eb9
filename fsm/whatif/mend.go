package whatif

// mender looks for changes that make a loss survivable, and tries each.
type mender struct{ s *survey }

func (s *survey) mender() *mender { return &mender{s} }

func (m *mender) mends(k *kind) []string { return nil }
