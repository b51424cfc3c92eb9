package topology

// The rules by the ids that messages, the topology reference and the broken
// files in testdata share.
const (
	ruleSize        = "T001"
	ruleCharacters  = "T002"
	ruleSyntax      = "T003"
	ruleEmpty       = "T004"
	ruleOneDocument = "T005"
	ruleAlias       = "T006"
	ruleTag         = "T007"
	ruleDepth       = "T008"
	ruleParts       = "T009"
	ruleOneLine     = "T010"

	ruleUnknownKey = "T101"
	ruleKeyStyle   = "T102"
	ruleKeyOnce    = "T103"
	ruleKind       = "T104"
	ruleQuote      = "T105"
	ruleNumber     = "T106"
	ruleBool       = "T107"
	ruleDuration   = "T108"
	rulePercent    = "T109"
	ruleWord       = "T110"

	ruleName       = "T201"
	ruleNameOnce   = "T202"
	ruleLookAlike  = "T203"
	ruleNodeID     = "T204"
	ruleRange      = "T205"
	ruleLabelKey   = "T206"
	ruleLabelValue = "T207"
	ruleTooMany    = "T208"

	ruleNamed       = "T301"
	ruleHasPools    = "T302"
	ruleHasServices = "T303"
	ruleServiceOnce = "T304"
	ruleOneSize     = "T305"
	ruleSize1       = "T306"
	ruleMin         = "T307"
	ruleIDOnce      = "T308"
	ruleExcluded    = "T309"
	ruleWhere       = "T310"
	ruleSpread      = "T311"
	rulePriority    = "T312"
	ruleOneAll      = "T313"
	ruleAllWeight   = "T314"

	ruleKnown     = "T401"
	ruleEntryOnce = "T402"
	ruleEntryUsed = "T403"
	ruleFloor     = "T404"
	ruleDrain     = "T405"
	ruleFloors    = "T406"
	ruleExclusive = "T407"

	ruleShare        = "T501"
	ruleDownAfter    = "T502"
	ruleReplaceAfter = "T503"
	ruleReturnAfter  = "T504"
	ruleHoldMax      = "T505"

	ruleFewIDs     = "T601"
	ruleFewForAll  = "T602"
	ruleFloorHolds = "T603"

	ruleCluster = "T701"

	ruleNotBuilt = "T901"

	ruleNodeNamed    = "N001"
	ruleNodeOnce     = "N002"
	ruleCapacity     = "N003"
	ruleNodeServices = "N004"
	ruleGroup        = "N005"
)
