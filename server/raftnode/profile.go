package raftnode

import (
	"fmt"
	"time"

	v1 "roster/proto/roster/v1"
)

// timing is what a profile means for raft. All members of a group use the same
// one.
type timing struct {
	heartbeat, election, lease, commit time.Duration
}

// longestRoundTrip bounds the wan profile: beyond it a group would take half a
// minute to notice that its leader is gone.
const longestRoundTrip = 3000

// timingOf gives the timing of a profile. Failover takes about twice the
// heartbeat, since a follower that still has a leader refuses its vote.
func timingOf(profile v1.TimingProfile, roundTripMS uint32) (timing, error) {
	switch profile {
	case v1.TimingProfile_TIMING_PROFILE_LAN:
		return proportional(150 * time.Millisecond), nil
	case v1.TimingProfile_TIMING_PROFILE_RELAXED:
		return timing{
			heartbeat: 500 * time.Millisecond, election: 500 * time.Millisecond,
			lease: 250 * time.Millisecond, commit: 50 * time.Millisecond,
		}, nil
	case v1.TimingProfile_TIMING_PROFILE_WAN:
		if roundTripMS == 0 || roundTripMS > longestRoundTrip {
			return timing{}, fmt.Errorf("the wan profile needs the worst round trip between members, 1 to %d ms, not %d", longestRoundTrip, roundTripMS)
		}
		return proportional(max(150*time.Millisecond, 10*time.Duration(roundTripMS)*time.Millisecond)), nil
	default:
		return timing{}, fmt.Errorf("timing profile %v is not known: use lan, wan or relaxed", profile)
	}
}

// proportional keeps the proportions that were tried at 150 ms: a lease of two
// thirds, so that an old leader gives up before a new one can be elected.
func proportional(heartbeat time.Duration) timing {
	return timing{heartbeat: heartbeat, election: heartbeat, lease: heartbeat * 2 / 3, commit: heartbeat * 2 / 15}
}

// ProfileName is the word for a profile: lan, wan, relaxed.
func ProfileName(profile v1.TimingProfile) string {
	switch profile {
	case v1.TimingProfile_TIMING_PROFILE_LAN:
		return "lan"
	case v1.TimingProfile_TIMING_PROFILE_WAN:
		return "wan"
	case v1.TimingProfile_TIMING_PROFILE_RELAXED:
		return "relaxed"
	default:
		return "unspecified"
	}
}

// ParseProfile reads the word for a profile.
func ParseProfile(name string) (v1.TimingProfile, error) {
	for _, profile := range []v1.TimingProfile{
		v1.TimingProfile_TIMING_PROFILE_LAN, v1.TimingProfile_TIMING_PROFILE_WAN, v1.TimingProfile_TIMING_PROFILE_RELAXED,
	} {
		if ProfileName(profile) == name {
			return profile, nil
		}
	}
	return 0, fmt.Errorf("timing profile %q is not known: use lan, wan or relaxed", name)
}
