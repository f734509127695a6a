package target

// wantAlarm derives what the timer is for from everything else, so that no path
// can forget to arm or disarm it.
func (m *machine) wantAlarm() alarm {
	switch {
	case m.op != opNone:
		return alarmOff
	case m.state == Failed:
		return alarmBackoff
	case !m.unwanted():
		return alarmOff
	case m.mayRun && m.stops > 0:
		return alarmBackoff
	case m.mayRun:
		return alarmIdle
	case m.state == Unknown:
		return alarmBackoff
	default:
		return alarmLook
	}
}
