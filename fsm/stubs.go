package fsm

import storev1 "roster/proto/roster/store/v1"

const scopeNode = "node:"
const EventClusterSchema = "cluster.schema"

func (d *draft) drainNode(_ *storev1.DrainNode) *storev1.Result         { return &storev1.Result{} }
func (d *draft) activateNode(_ *storev1.ActivateNode) *storev1.Result   { return &storev1.Result{} }
func (d *draft) adoptNode(_ *storev1.AdoptNode) *storev1.Result         { return &storev1.Result{} }
func (d *draft) replaceNode(_ *storev1.ReplaceNode) *storev1.Result     { return &storev1.Result{} }
func (d *draft) createFreeze(_ *storev1.CreateFreeze) *storev1.Result   { return &storev1.Result{} }
func (d *draft) deleteFreezes(_ *storev1.DeleteFreezes) *storev1.Result { return &storev1.Result{} }
func (d *draft) overrideHold(_ *storev1.OverrideHold) *storev1.Result   { return &storev1.Result{} }
func (d *draft) decidePlan(_ *storev1.DecidePlan) *storev1.Result       { return &storev1.Result{} }
func (d *draft) settleRollout(_ *storev1.SettleRollout) *storev1.Result { return &storev1.Result{} }
func (d *draft) noteAgent(_ *storev1.NoteAgent) *storev1.Result         { return &storev1.Result{} }
func (d *draft) raiseEpoch(_ *storev1.RaiseEpoch) *storev1.Result       { return &storev1.Result{} }
