"""Phrases that say whether a symptom is there, how sure that is, when it was, and whose it is: English, German, French.

A ``*`` at the end of a word stands for any ending; an apostrophe is a space. The method follows NegEx (Chapman et al.
2001) and ConText (Harkema et al. 2009): a phrase has a scope, which ends at certain words. Phrases and scopes are the
project's own.
"""

# what follows is not there
ABSENT_BEFORE = """
without; never; denies; deny; denying; no evidence of; no signs of; no sign of; no history of; no known; no
known history of; negative for; free of; free from; absence of; lack of; lacks; lacked; lacking; neither; nor;
none of; rather than; instead of; fails to show; failed to show; failed to reveal; failed to demonstrate;
fails to reveal; did not show; did not reveal; does not show; do not show; does not have; do not have; did not
have; has not had; have not had; had not had; has no; have no; had no; doesn t have; don t have; didn t have;
has never had; never had; not had any; without any; without evidence of; without signs of; no longer; not
known to have; not known to be; not known for; not known; cannot see any; not any; nothing to suggest; not
suggestive of; not consistent with; no complaints of; not complain of; not associated with; not accompanied
by; unremarkable for; ruled out for; kein*; ohne; weder; noch; nie; niemals; keinerlei; keine hinweise auf;
kein hinweis auf; kein anhalt für; keine zeichen; verneint; pas de; pas d; sans; aucun*; ni; jamais de; jamais
eu de; absence de; absence d; nie; n a pas de; n a pas d; pas d antécédent de; ne présente pas de; ne présente
pas d; pas eu de
"""
# these look like the above and say nothing of the kind
NO_DENIAL = """
no increase in; no increase of; no change in; no change of; not only; no improvement of; no improvement in; no
doubt; not certain whether; not clear whether; no wonder; no further; not always; not yet clear; no worsening
of; no progression of; no significant change in; nicht nur; keine änderung; pas seulement; non seulement; no
cause for; no treatment for; no reason for; no explanation for; without change in; not improved; not explained
by; not due to; not because of; no relief of; no response of; hour history of; hours history of; day history
of; days history of; week history of; weeks history of; month history of; months history of; year history of;
years history of; long history of; standing history of; recent history of; current history of; history of
present illness
"""
# what stands before is not there, where these end their statement; else they act on what follows
ABSENT_EITHER = """
absent; denied; excluded; ruled out; negative; not present; not seen; not observed; not noted; not found; not
detected; not reported; not identified; not evident; not described; not demonstrated; not been noted; not been
seen; not been observed; not been found; not been reported; not been detected; not apparent; not confirmed;
not; no; none; nil; never occurred; never observed; never seen; did not occur; not occurred; not documented;
not been documented; not been present; doesn t; don t; didn t; isn t; hasn t; haven t; wasn t; aren t; weren
t; ausgeschlossen; verneint; nicht vorhanden; nicht nachweisbar; nicht aufgetreten; nicht beobachtet; nicht
bekannt; fehlt; fehlen; nein; nicht; absent*; exclu*; non retrouvé*; non présent*; nié*; non
"""
# the symptom right before is not there: "seizure-free"
ABSENT_AFTER = "free; frei"
# the kinds above, of something that is likely absent
UNLIKELY = "unlikely; improbable; unwahrscheinlich; peu probable*"
# what is named here is there, whatever was said before
PRESENT = """
present; presents with; presented with; presence of; confirmed; certain; certainly; definite; definitely;
persists; persisted; positive; positive for; yes; ongoing; currently; now; today; evident; still; known;
diagnosed; diagnosed with; was noted; were noted; was seen; was found; were found; vorhanden; besteht;
bestehen; nachgewiesen; ja; présence de; présence d; présent; présents; présente; présentes; oui; confirmé*
"""
LIKELY = """
likely; probable; probably; most likely; suggestive of; suggests; suggesting; suggest; consistent with;
compatible with; presumably; presumed; apparent; apparently; appears to have; seems to have; seem to have;
appears; seems; impression of; wahrscheinlich*; vermutlich*; probable*; probablement; évocateur de; évocat* d
"""
POSSIBLE = """
possible; possibly; suspected; suspicion of; suspicious for; questionable; may have; might have; may be; might
be; could be; could have; may represent; may indicate; might; perhaps; maybe; query; concern for; concerning
for; worrisome for; cannot exclude; can not exclude; cannot be excluded; could not be excluded; cannot be
ruled out; can not be ruled out; could not be ruled out; not ruled out; not excluded; rule out; to rule out; r
o; to exclude; evaluate for; versus; vs; differential; equivocal; uncertain; unclear whether; doubtful;
borderline for; subtle if any; not been ruled out; not been excluded; unable to exclude; at risk for; at risk
of; verdacht auf; v a; möglich*; fraglich*; eventuell*; vielleicht; könnte; ausschluss; zum ausschluss;
suspicion de; suspicion d; suspect*; suspecté*; possible*; possiblement; peut être; éventuel*; douteux; à
exclure
"""
PAST = """
history of; h o; past history of; past medical history of; past medical history; medical history; previous;
previously; prior; former; formerly; used to have; used to be; had in the past; status post; s p; resolved;
transient; remote; in remission; as a baby; outgrew; outgrown; no longer has; no longer had; recovered from;
surgically corrected; after surgery for; stopped; has stopped; have stopped; ceased; disappeared; subsided;
zustand nach; z n; früher*; ehemals; anamnestisch; antécédent de; antécédent d; antécédents de; antécédents d;
ancien*; autrefois
"""
# people who are not the patient
RELATIVES = """
mother*; father*; mom; dad; mum; parent; parents; brother*; sister*; sibling*; uncle*; aunt*; cousin*;
grandmother*; grandfather*; grandparent*; nephew*; niece*; relatives; a relative; half brother*; half sister*;
twin brother; twin sister; stepbrother*; great aunt; great uncle; his son; her son; his daughter; her
daughter; family; family history; family history of; no family history of; maternal; paternal; familial
history; family member*; husband; wife; in laws; family medical history; mutter; vater; eltern; bruder;
brüder; schwester; schwestern; geschwister; onkel; tante; cousin*; großmutter; großvater; großeltern; oma;
opa; familie; familienanamnese; familiär; kindsmutter; kindsvater; mère; père; parents; frère*; soeur*;
oncle*; grand mère; grand père; cousine*; antécédents familiaux; antécédents familiaux de; famille
"""
# the patient, after a relative
PATIENT = """
patient; patients; he; she; child; boy; girl; infant; baby; newborn; toddler; proband; proposita; propositus;
index case; he himself; she herself; index patient; himself; herself; man; woman; they; er; sie; kind;
patientin; junge; mädchen; säugling; il; elle; enfant; patiente; garçon; fille; nourrisson
"""
# a relative who says something says it of the patient
REPORTS = """
report*; says; say; said; state*; noted; notes; notice*; noticed; observed; observes; describe*; complain*;
think*; thought; believe*; believed; deny; denies; denied; told; tell*; mention*; concerned; worried; brought;
felt; recall*; saw; confirm*; has noticed; have noticed; has noted; have noted; first noticed; also report*;
has observed; have observed; have reported; has reported; berichtet; berichten; bemerkte; bemerkten; gibt an;
geben an; verneint; verneinen; schildert; rapporte*; signale*; décri*; remarqu*; a remarqué; ont remarqué; a
noté
"""
# "like his mother, he has ...": compared, not told of
COMPARED = "like; unlike; as in; similar to; same as; than; as well as; wie; comme; contrairement à"
# a new statement begins
TURNS = """
but; however; although; though; whereas; while; except; except for; apart from; other than; aside from;
besides; despite; yet; because; since; until; then; who; which; where; when; after; before; instead she;
instead he; only; otherwise; aber; jedoch; sondern; außer; obwohl; während; allerdings; dafür; wegen; weil;
seit; bis auf; mais; cependant; sauf; hormis; excepté; bien que; tandis que; toutefois; depuis; en revanche;
alors que
"""
# verbs that a statement has one of
VERBS = """
is; are; was; were; has; have; had; shows; show; showed; shown; presents; presented; develops; developed;
suffers; suffered; complains; reports; exhibits; exhibited; revealed; reveals; demonstrated; demonstrates;
started; began; worsened; became; gets; feels; remains; remained; appeared; appear; needed; can; cannot;
could; will; found; noted; ist; sind; war; waren; hat; haben; hatte; hatten; zeigt; zeigte; leidet; wurde;
wurden; entwickelte; ont; avait; présente; souffre; montre; présentait; était; est; sont; développe
"""
