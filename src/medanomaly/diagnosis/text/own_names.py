"""Names of common symptoms that the English ontology lacks: German, French, and everyday English.

``hp.obo`` has English names only. This table is the project's own and short, made for the words of letters and
questionnaires; it is no translation of the ontology. The label after the id is there for readers; the id counts.
"""

from collections.abc import Iterator

_TABLE = {
    "en": """
HP:0000083 Renal insufficiency: kidney failure
HP:0000158 Macroglossia: enlarged tongue
HP:0000347 Micrognathia: small chin
HP:0000365 Hearing impairment: hard of hearing; poor hearing
HP:0000407 Sensorineural hearing impairment: SNHL
HP:0000411 Protruding ear: ears stick out; sticking out ears
HP:0000508 Ptosis: droopy eyelid; droopy eyelids; drooping eyelid; hanging eyelid
HP:0000540 Hypermetropia: farsighted; longsighted
HP:0000545 Myopia: shortsighted; nearsighted
HP:0000609 Optic nerve hypoplasia: ONH
HP:0000708 Atypical behavior: behavioral disorder
HP:0000718 Aggressive behavior: aggressive
HP:0000750 Delayed speech and language development: late talker; late talking; talks late; talking late
HP:0000787 Nephrolithiasis: renal stone; kidney stone
HP:0000819 Diabetes mellitus: diabetes; diabetic
HP:0000952 Jaundice: jaundiced; icteric
HP:0000970 Anhidrosis: does not sweat
HP:0000975 Hyperhidrosis: sweating too much
HP:0000978 Bruising susceptibility: bruises easily
HP:0000980 Pallor: looks pale; pale skin
HP:0001249 Intellectual disability: ID; intellectual impairment; learning disability
HP:0001250 Seizure: convulsion; seizure disorder
HP:0001252 Hypotonia: low tone; floppy; floppiness; floppy infant
HP:0001260 Dysarthria: slurred speech
HP:0001263 Global developmental delay: slow development
HP:0001279 Syncope: fainting; blackout
HP:0001284 Areflexia: no reflexes; reflexes were absent
HP:0001288 Gait disturbance: unsteady walking; problems walking
HP:0001324 Muscle weakness: weak muscles; weakness of muscles
HP:0001344 Absent speech: no words; cannot speak
HP:0001371 Flexion contracture: contracture; contractures; contracted joints; joint contractures
HP:0001508 Failure to thrive: faltering growth; not gaining weight; fails to thrive; failing to thrive
HP:0001596 Alopecia: loss of hair; losing hair
HP:0001627 Abnormal heart morphology: heart disease; congenital heart disease; CHD
HP:0001649 Tachycardia: tachycardic
HP:0001662 Bradycardia: bradycardic
HP:0001744 Splenomegaly: enlarged spleen
HP:0001785 Ankle swelling: swollen ankles
HP:0001873 Thrombocytopenia: low platelets
HP:0001882 Leukopenia: low white cell count
HP:0001892 Abnormal bleeding: haemorrhage; hemorrhage; bleeding
HP:0001943 Hypoglycemia: hypoglycemic; low glucose
HP:0001945 Fever: febrile
HP:0001999 Abnormal facial shape: dysmorphic; dysmorphism; dysmorphia; dysmorphic features
HP:0002013 Vomiting: throws up; throw up; being sick
HP:0002015 Dysphagia: trouble swallowing
HP:0002027 Abdominal pain: tummy pain; belly ache; stomach aches
HP:0002072 Chorea: choreatic
HP:0002092 Pulmonary arterial hypertension: pulmonary hypertension
HP:0002094 Dyspnea: SOB; out of breath; breathless; breathlessness; short of breath
HP:0002153 Hyperkalemia: high potassium
HP:0002194 Delayed gross motor development: motor delay
HP:0002240 Hepatomegaly: large liver
HP:0002312 Clumsiness: clumsy
HP:0002360 Sleep abnormality: poor sleep; sleeps badly; sleeps poorly
HP:0002376 Developmental regression: loss of skills; loss of acquired skills
HP:0002500 Abnormal cerebral white matter morphology: white matter changes; white matter abnormality
HP:0002500 Abnormal cerebral white matter morphology: abnormal white matter; white matter lesions
HP:0002527 Falls: frequent falls
HP:0002625 Deep venous thrombosis: DVT
HP:0002716 Lymphadenopathy: enlarged lymph nodes
HP:0002900 Hypokalemia: low potassium
HP:0002901 Hypocalcemia: low calcium
HP:0002902 Hyponatremia: low sodium
HP:0003236 Elevated circulating creatine kinase concentration: high CK; elevated CK; raised CK; elevated CPK
HP:0003236 Elevated circulating creatine kinase concentration: high CPK
HP:0003401 Paresthesia: pins and needles
HP:0025435 Increased circulating lactate dehydrogenase concentration: elevated LDH; high LDH; raised LDH
HP:0030148 Heart murmur: murmur
HP:0031936 Delayed ability to walk: late walker; walks late; walking late; late walking
HP:0040194 Increased head circumference: large head circumference
    """,
    "de": """
HP:0000028 Cryptorchidism: Hodenhochstand; Kryptorchismus
HP:0000047 Hypospadias: Hypospadie
HP:0000083 Renal insufficiency: Niereninsuffizienz
HP:0000093 Proteinuria: Proteinurie
HP:0000098 Tall stature: Hochwuchs; Großwuchs
HP:0000107 Renal cyst: Nierenzysten; Nierenzyste
HP:0000126 Hydronephrosis: Hydronephrose
HP:0000141 Amenorrhea: Amenorrhoe
HP:0000158 Macroglossia: Makroglossie; große Zunge
HP:0000175 Cleft palate: Gaumenspalte
HP:0000217 Xerostomia: Mundtrockenheit
HP:0000238 Hydrocephalus: Hydrozephalus; Wasserkopf
HP:0000252 Microcephaly: Mikrozephalie; Mikrocephalie; kleiner Kopf
HP:0000256 Macrocephaly: Makrozephalie; Makrocephalie; großer Kopf
HP:0000316 Hypertelorism: Hypertelorismus; weiter Augenabstand
HP:0000347 Micrognathia: Mikrognathie; kleiner Unterkiefer
HP:0000360 Tinnitus: Tinnitus; Ohrgeräusche
HP:0000365 Hearing impairment: Schwerhörigkeit; Taubheit; Hörverlust; Hörminderung; Hörstörung; schwerhörig
HP:0000365 Hearing impairment: taub
HP:0000369 Low-set ears: tief sitzende Ohren; tiefsitzende Ohren
HP:0000407 Sensorineural hearing impairment: Innenohrschwerhörigkeit; Schallempfindungsschwerhörigkeit
HP:0000411 Protruding ear: abstehende Ohren
HP:0000421 Epistaxis: Nasenbluten
HP:0000486 Strabismus: Schielen; Strabismus
HP:0000501 Glaucoma: Glaukom; grüner Star
HP:0000505 Visual impairment: Sehschwäche; Sehstörung; Sehstörungen; Sehbehinderung
HP:0000508 Ptosis: Ptose; Ptosis; hängendes Augenlid
HP:0000518 Cataract: Katarakt; grauer Star; Grauer Star
HP:0000540 Hypermetropia: Weitsichtigkeit
HP:0000545 Myopia: Kurzsichtigkeit; kurzsichtig; Myopie
HP:0000589 Coloboma: Kolobom
HP:0000592 Blue sclerae: blaue Skleren
HP:0000613 Photophobia: Lichtempfindlichkeit; Photophobie
HP:0000618 Blindness: Blindheit; blind
HP:0000639 Nystagmus: Nystagmus; Augenzittern
HP:0000648 Optic atrophy: Optikusatrophie
HP:0000651 Diplopia: Doppelbilder; Doppeltsehen
HP:0000662 Nyctalopia: Nachtblindheit
HP:0000708 Atypical behavior: Verhaltensauffälligkeit; Verhaltensstörung; Verhaltensauffälligkeiten
HP:0000716 Depression: Depression; depressiv
HP:0000717 Autism: Autismus
HP:0000718 Aggressive behavior: Aggressivität; aggressives Verhalten
HP:0000726 Dementia: Demenz
HP:0000737 Irritability: Reizbarkeit
HP:0000739 Anxiety: Angst; Ängste; Angststörung
HP:0000750 Delayed speech and language development: Sprachentwicklungsverzögerung
HP:0000750 Delayed speech and language development: verzögerte Sprachentwicklung
HP:0000752 Hyperactivity: Hyperaktivität; hyperaktiv
HP:0000767 Pectus excavatum: Trichterbrust
HP:0000768 Pectus carinatum: Kielbrust; Hühnerbrust
HP:0000787 Nephrolithiasis: Nierensteine; Nierenstein
HP:0000789 Infertility: Unfruchtbarkeit; Infertilität
HP:0000790 Hematuria: Hämaturie; Blut im Urin
HP:0000819 Diabetes mellitus: Diabetes; Zuckerkrankheit; Diabetes mellitus
HP:0000821 Hypothyroidism: Hypothyreose; Schilddrüsenunterfunktion
HP:0000822 Hypertension: Bluthochdruck; arterielle Hypertonie; Hypertonie
HP:0000823 Delayed puberty: verzögerte Pubertät; Pubertas tarda
HP:0000836 Hyperthyroidism: Hyperthyreose; Schilddrüsenüberfunktion
HP:0000853 Goiter: Struma; Kropf
HP:0000939 Osteoporosis: Osteoporose
HP:0000952 Jaundice: Gelbsucht; Ikterus
HP:0000957 Cafe-au-lait spot: Café-au-lait-Flecken; Café-au-lait-Fleck
HP:0000958 Dry skin: trockene Haut
HP:0000961 Cyanosis: Zyanose
HP:0000964 Eczematoid dermatitis: Ekzem; Neurodermitis
HP:0000969 Edema: Ödem; Ödeme
HP:0000970 Anhidrosis: fehlendes Schwitzen
HP:0000974 Hyperextensible skin: überdehnbare Haut
HP:0000975 Hyperhidrosis: starkes Schwitzen; Hyperhidrose
HP:0000978 Bruising susceptibility: Neigung zu blauen Flecken
HP:0000980 Pallor: Blässe
HP:0000988 Skin rash: Hautausschlag; Ausschlag; Exanthem
HP:0000989 Pruritus: Juckreiz
HP:0000998 Hypertrichosis: vermehrte Behaarung
HP:0001007 Hirsutism: Hirsutismus
HP:0001159 Syndactyly: Syndaktylie
HP:0001166 Arachnodactyly: Arachnodaktylie; Spinnenfinger
HP:0001249 Intellectual disability: Intelligenzminderung; geistige Behinderung
HP:0001249 Intellectual disability: intellektuelle Beeinträchtigung
HP:0001250 Seizure: Krampfanfall; Krampfanfälle; Anfälle; epileptischer Anfall; epileptische Anfälle
HP:0001250 Seizure: Epilepsie; Krämpfe
HP:0001251 Ataxia: Ataxie; ataktisch
HP:0001252 Hypotonia: Muskelhypotonie; Hypotonie; hypoton; Hypotonus
HP:0001254 Lethargy: Lethargie
HP:0001257 Spasticity: Spastik; spastisch; Spastizität
HP:0001260 Dysarthria: Dysarthrie; verwaschene Sprache
HP:0001263 Global developmental delay: Entwicklungsverzögerung; Entwicklungsrückstand
HP:0001263 Global developmental delay: globale Entwicklungsverzögerung; Entwicklungsretardierung
HP:0001269 Hemiparesis: Halbseitenlähmung; Hemiparese
HP:0001271 Polyneuropathy: Polyneuropathie
HP:0001272 Cerebellar atrophy: Kleinhirnatrophie
HP:0001274 Agenesis of corpus callosum: Balkenagenesie; Balkenmangel
HP:0001276 Hypertonia: Muskelhypertonie
HP:0001279 Syncope: Synkope; Ohnmacht
HP:0001284 Areflexia: fehlende Reflexe; Areflexie
HP:0001288 Gait disturbance: Gangstörung; Gangstörungen; Gangunsicherheit
HP:0001297 Stroke: Schlaganfall
HP:0001324 Muscle weakness: Muskelschwäche; Kraftlosigkeit
HP:0001332 Dystonia: Dystonie
HP:0001336 Myoclonus: Myoklonien; Myoklonie
HP:0001337 Tremor: Zittern
HP:0001344 Absent speech: fehlende Sprache; spricht nicht
HP:0001347 Hyperreflexia: Hyperreflexie
HP:0001363 Craniosynostosis: Kraniosynostose
HP:0001369 Arthritis: Arthritis; Gelenkentzündung
HP:0001371 Flexion contracture: Kontrakturen; Kontraktur; Gelenkkontrakturen
HP:0001382 Joint hypermobility: überstreckbare Gelenke; Gelenküberstreckbarkeit
HP:0001385 Hip dysplasia: Hüftdysplasie
HP:0001394 Cirrhosis: Leberzirrhose; Zirrhose
HP:0001433 Hepatosplenomegaly: Hepatosplenomegalie
HP:0001508 Failure to thrive: Gedeihstörung; mangelndes Gedeihen
HP:0001510 Growth delay: Wachstumsverzögerung; Wachstumsstörung
HP:0001511 Intrauterine growth retardation: intrauterine Wachstumsretardierung
HP:0001513 Obesity: Adipositas; Fettleibigkeit
HP:0001541 Ascites: Aszites; Bauchwasser
HP:0001596 Alopecia: Haarausfall
HP:0001622 Premature birth: Frühgeburt; Frühgeborenes
HP:0001627 Abnormal heart morphology: Herzfehler; angeborener Herzfehler
HP:0001629 Ventricular septal defect: Ventrikelseptumdefekt
HP:0001631 Atrial septal defect: Vorhofseptumdefekt
HP:0001635 Congestive heart failure: Herzinsuffizienz; Herzschwäche
HP:0001638 Cardiomyopathy: Kardiomyopathie
HP:0001639 Hypertrophic cardiomyopathy: hypertrophe Kardiomyopathie
HP:0001644 Dilated cardiomyopathy: dilatative Kardiomyopathie
HP:0001645 Sudden cardiac death: plötzlicher Herztod
HP:0001649 Tachycardia: Tachykardie
HP:0001662 Bradycardia: Bradykardie
HP:0001744 Splenomegaly: Splenomegalie; vergrößerte Milz
HP:0001761 Pes cavus: Hohlfuß; Hohlfüße
HP:0001762 Talipes equinovarus: Klumpfuß; Klumpfüße
HP:0001763 Pes planus: Plattfuß; Plattfüße; Senkfuß
HP:0001785 Ankle swelling: geschwollene Knöchel
HP:0001824 Weight loss: Gewichtsverlust; Gewichtsabnahme
HP:0001873 Thrombocytopenia: Thrombozytopenie
HP:0001875 Neutropenia: Neutropenie
HP:0001882 Leukopenia: Leukopenie
HP:0001892 Abnormal bleeding: Blutung; Blutungen; Blutungsneigung
HP:0001903 Anemia: Anämie; Blutarmut
HP:0001909 Leukemia: Leukämie
HP:0001942 Metabolic acidosis: metabolische Azidose
HP:0001943 Hypoglycemia: Hypoglykämie; Unterzuckerung
HP:0001945 Fever: Fieber; fieberhaft
HP:0001962 Palpitations: Herzrasen; Herzklopfen
HP:0001999 Abnormal facial shape: Dysmorphien; Dysmorphie; faziale Dysmorphien; Gesichtsdysmorphien
HP:0002013 Vomiting: Erbrechen
HP:0002014 Diarrhea: Durchfall; Durchfälle; Diarrhoe
HP:0002015 Dysphagia: Schluckstörung; Schluckstörungen; Schluckbeschwerden
HP:0002018 Nausea: Übelkeit
HP:0002019 Constipation: Verstopfung; Obstipation
HP:0002020 Gastroesophageal reflux: gastroösophagealer Reflux; Reflux
HP:0002027 Abdominal pain: Bauchschmerzen; Bauchschmerz
HP:0002059 Cerebral atrophy: Hirnatrophie
HP:0002072 Chorea: Chorea
HP:0002076 Migraine: Migräne
HP:0002090 Pneumonia: Lungenentzündung; Pneumonie
HP:0002092 Pulmonary arterial hypertension: pulmonale Hypertonie; Lungenhochdruck
HP:0002093 Respiratory insufficiency: respiratorische Insuffizienz; Ateminsuffizienz
HP:0002094 Dyspnea: Atemnot; Luftnot; Dyspnoe
HP:0002099 Asthma: Asthma
HP:0002104 Apnea: Apnoe; Apnoen; Atemaussetzer
HP:0002133 Status epilepticus: Status epilepticus
HP:0002153 Hyperkalemia: Hyperkaliämie
HP:0002194 Delayed gross motor development: motorische Entwicklungsverzögerung
HP:0002240 Hepatomegaly: Hepatomegalie; vergrößerte Leber
HP:0002312 Clumsiness: Ungeschicklichkeit
HP:0002315 Headache: Kopfschmerzen; Kopfschmerz
HP:0002321 Vertigo: Schwindel; Drehschwindel
HP:0002354 Memory impairment: Gedächtnisstörung; Vergesslichkeit
HP:0002360 Sleep abnormality: Schlafstörung; Schlafstörungen
HP:0002373 Febrile seizure (within the age range of 3 months to 6 years): Fieberkrampf; Fieberkrämpfe
HP:0002376 Developmental regression: Entwicklungsrückschritt; Regression; Verlust erworbener Fähigkeiten
HP:0002500 Abnormal cerebral white matter morphology: Marklagerveränderungen
HP:0002527 Falls: Stürze; häufige Stürze
HP:0002615 Hypotension: niedriger Blutdruck
HP:0002625 Deep venous thrombosis: tiefe Venenthrombose
HP:0002650 Scoliosis: Skoliose
HP:0002653 Bone pain: Knochenschmerzen
HP:0002664 Neoplasm: Tumor
HP:0002716 Lymphadenopathy: Lymphknotenschwellung
HP:0002719 Recurrent infections: häufige Infekte; rezidivierende Infektionen
HP:0002757 Recurrent fractures: Knochenbrüche; häufige Frakturen
HP:0002804 Arthrogryposis multiplex congenita: Arthrogrypose
HP:0002808 Kyphosis: Kyphose
HP:0002829 Arthralgia: Gelenkschmerzen; Gelenkschmerz
HP:0002878 Respiratory failure: Atemversagen
HP:0002900 Hypokalemia: Hypokaliämie
HP:0002901 Hypocalcemia: Hypokalzämie
HP:0002902 Hyponatremia: Hyponatriämie
HP:0002910 Elevated circulating hepatic transaminase concentration: erhöhte Leberwerte
HP:0002910 Elevated circulating hepatic transaminase concentration: erhöhte Transaminasen
HP:0003002 Breast carcinoma: Brustkrebs; Mammakarzinom
HP:0003074 Hyperglycemia: Hyperglykämie
HP:0003128 Lactic acidosis: Laktatazidose
HP:0003202 Skeletal muscle atrophy: Muskelschwund; Muskelatrophie
HP:0003236 Elevated circulating creatine kinase concentration: CK-Erhöhung; erhöhte CK
HP:0003326 Myalgia: Muskelschmerzen; Muskelschmerz
HP:0003394 Muscle spasm: Muskelkrämpfe; Muskelkrampf
HP:0003401 Paresthesia: Kribbeln; Parästhesien
HP:0003418 Back pain: Rückenschmerzen
HP:0003701 Proximal muscle weakness: proximale Muskelschwäche
HP:0004322 Short stature: Kleinwuchs; Minderwuchs
HP:0004936 Venous thrombosis: Venenthrombose
HP:0007018 Attention deficit hyperactivity disorder: ADHS; Aufmerksamkeitsdefizit
HP:0007185 Loss of consciousness: Bewusstlosigkeit
HP:0008064 Ichthyosis: Ichthyose; Fischschuppenkrankheit
HP:0009830 Peripheral neuropathy: periphere Neuropathie; Neuropathie
HP:0010442 Polydactyly: Polydaktylie
HP:0010741 Pedal edema: Beinödeme
HP:0011675 Arrhythmia: Herzrhythmusstörung; Herzrhythmusstörungen; Arrhythmie
HP:0011968 Feeding difficulties: Trinkschwäche; Fütterungsstörung
HP:0012378 Fatigue: Müdigkeit; Erschöpfung
HP:0012531 Pain: Schmerzen; Schmerz
HP:0012622 Chronic kidney disease: chronische Niereninsuffizienz; chronische Nierenerkrankung
HP:0012735 Cough: Husten
HP:0025435 Increased circulating lactate dehydrogenase concentration: LDH-Erhöhung
HP:0030148 Heart murmur: Herzgeräusch
HP:0030166 Night sweats: Nachtschweiß
HP:0030828 Wheezing: Giemen; pfeifende Atmung
HP:0031936 Delayed ability to walk: verspätetes Laufen; spätes Laufenlernen
HP:0100749 Chest pain: Brustschmerzen; Thoraxschmerzen
HP:0100785 Insomnia: Schlaflosigkeit
HP:0410030 Cleft lip: Lippenspalte
    """,
    "fr": """
HP:0000028 Cryptorchidism: cryptorchidie
HP:0000047 Hypospadias: hypospadias
HP:0000083 Renal insufficiency: insuffisance rénale
HP:0000093 Proteinuria: protéinurie
HP:0000098 Tall stature: grande taille
HP:0000107 Renal cyst: kystes rénaux; kyste rénal
HP:0000126 Hydronephrosis: hydronéphrose
HP:0000141 Amenorrhea: aménorrhée
HP:0000158 Macroglossia: macroglossie
HP:0000175 Cleft palate: fente palatine
HP:0000217 Xerostomia: bouche sèche
HP:0000238 Hydrocephalus: hydrocéphalie
HP:0000252 Microcephaly: microcéphalie; petite tête
HP:0000256 Macrocephaly: macrocéphalie
HP:0000316 Hypertelorism: hypertélorisme
HP:0000347 Micrognathia: micrognathie; petite mâchoire
HP:0000360 Tinnitus: acouphènes
HP:0000365 Hearing impairment: surdité; perte auditive; hypoacousie; troubles de l'audition
HP:0000369 Low-set ears: oreilles basses; oreilles bas implantées
HP:0000407 Sensorineural hearing impairment: surdité de perception; surdité neurosensorielle
HP:0000411 Protruding ear: oreilles décollées
HP:0000421 Epistaxis: épistaxis; saignement de nez; saignements de nez
HP:0000486 Strabismus: strabisme
HP:0000501 Glaucoma: glaucome
HP:0000505 Visual impairment: baisse de vision; troubles de la vision; troubles visuels
HP:0000508 Ptosis: ptosis; ptose
HP:0000518 Cataract: cataracte
HP:0000540 Hypermetropia: hypermétropie
HP:0000545 Myopia: myopie; myope
HP:0000589 Coloboma: colobome
HP:0000592 Blue sclerae: sclérotiques bleues
HP:0000613 Photophobia: photophobie
HP:0000618 Blindness: cécité
HP:0000639 Nystagmus: nystagmus
HP:0000648 Optic atrophy: atrophie optique
HP:0000651 Diplopia: diplopie; vision double
HP:0000662 Nyctalopia: héméralopie; cécité nocturne
HP:0000708 Atypical behavior: troubles du comportement; trouble du comportement
HP:0000716 Depression: dépression
HP:0000717 Autism: autisme
HP:0000718 Aggressive behavior: agressivité; comportement agressif
HP:0000726 Dementia: démence
HP:0000737 Irritability: irritabilité
HP:0000739 Anxiety: anxiété; angoisse
HP:0000750 Delayed speech and language development: retard de langage; retard de parole
HP:0000752 Hyperactivity: hyperactivité; hyperactif
HP:0000767 Pectus excavatum: thorax en entonnoir
HP:0000768 Pectus carinatum: thorax en carène
HP:0000787 Nephrolithiasis: calculs rénaux; lithiase rénale
HP:0000789 Infertility: infertilité; stérilité
HP:0000790 Hematuria: hématurie
HP:0000819 Diabetes mellitus: diabète
HP:0000821 Hypothyroidism: hypothyroïdie
HP:0000822 Hypertension: hypertension; hypertension artérielle; HTA
HP:0000823 Delayed puberty: retard pubertaire; puberté retardée
HP:0000836 Hyperthyroidism: hyperthyroïdie
HP:0000853 Goiter: goitre
HP:0000939 Osteoporosis: ostéoporose
HP:0000952 Jaundice: ictère; jaunisse
HP:0000957 Cafe-au-lait spot: taches café-au-lait; tache café-au-lait
HP:0000958 Dry skin: peau sèche
HP:0000961 Cyanosis: cyanose
HP:0000964 Eczematoid dermatitis: eczéma
HP:0000969 Edema: œdème; œdèmes
HP:0000970 Anhidrosis: absence de sudation
HP:0000974 Hyperextensible skin: peau hyperextensible
HP:0000975 Hyperhidrosis: hypersudation; transpiration excessive
HP:0000978 Bruising susceptibility: ecchymoses faciles
HP:0000980 Pallor: pâleur
HP:0000988 Skin rash: éruption cutanée
HP:0000989 Pruritus: prurit; démangeaisons
HP:0000998 Hypertrichosis: hypertrichose
HP:0001007 Hirsutism: hirsutisme
HP:0001159 Syndactyly: syndactylie
HP:0001166 Arachnodactyly: arachnodactylie
HP:0001249 Intellectual disability: déficience intellectuelle; retard mental; handicap intellectuel
HP:0001250 Seizure: crise d'épilepsie; crises d'épilepsie; épilepsie; crise épileptique; crises convulsives
HP:0001250 Seizure: convulsion; comitialité
HP:0001251 Ataxia: ataxie; ataxique
HP:0001252 Hypotonia: hypotonie; hypotonie musculaire
HP:0001254 Lethargy: léthargie
HP:0001257 Spasticity: spasticité
HP:0001260 Dysarthria: dysarthrie
HP:0001263 Global developmental delay: retard de développement; retard du développement; retard psychomoteur
HP:0001263 Global developmental delay: retard global de développement
HP:0001269 Hemiparesis: hémiparésie
HP:0001271 Polyneuropathy: polyneuropathie
HP:0001272 Cerebellar atrophy: atrophie cérébelleuse
HP:0001274 Agenesis of corpus callosum: agénésie du corps calleux
HP:0001276 Hypertonia: hypertonie
HP:0001279 Syncope: syncope; évanouissement
HP:0001284 Areflexia: aréflexie
HP:0001288 Gait disturbance: troubles de la marche; trouble de la marche
HP:0001297 Stroke: AVC; accident vasculaire cérébral
HP:0001324 Muscle weakness: faiblesse musculaire
HP:0001332 Dystonia: dystonie
HP:0001336 Myoclonus: myoclonie; myoclonies
HP:0001337 Tremor: tremblement; tremblements
HP:0001344 Absent speech: absence de langage; absence de parole
HP:0001347 Hyperreflexia: hyperréflexie
HP:0001363 Craniosynostosis: craniosténose; craniosynostose
HP:0001369 Arthritis: arthrite
HP:0001371 Flexion contracture: contractures; rétractions; rétraction articulaire
HP:0001382 Joint hypermobility: hyperlaxité; hyperlaxité articulaire
HP:0001385 Hip dysplasia: dysplasie de hanche
HP:0001394 Cirrhosis: cirrhose
HP:0001433 Hepatosplenomegaly: hépatosplénomégalie
HP:0001508 Failure to thrive: retard staturo-pondéral; mauvaise prise de poids
HP:0001510 Growth delay: retard de croissance
HP:0001511 Intrauterine growth retardation: RCIU; retard de croissance intra-utérin
HP:0001513 Obesity: obésité
HP:0001541 Ascites: ascite
HP:0001596 Alopecia: perte de cheveux; alopécie; chute de cheveux
HP:0001622 Premature birth: prématurité; naissance prématurée
HP:0001627 Abnormal heart morphology: cardiopathie; malformation cardiaque; cardiopathie congénitale
HP:0001629 Ventricular septal defect: communication interventriculaire
HP:0001631 Atrial septal defect: communication interauriculaire
HP:0001635 Congestive heart failure: insuffisance cardiaque
HP:0001638 Cardiomyopathy: cardiomyopathie; myocardiopathie
HP:0001639 Hypertrophic cardiomyopathy: cardiomyopathie hypertrophique
HP:0001644 Dilated cardiomyopathy: cardiomyopathie dilatée
HP:0001645 Sudden cardiac death: mort subite cardiaque
HP:0001649 Tachycardia: tachycardie
HP:0001662 Bradycardia: bradycardie
HP:0001744 Splenomegaly: splénomégalie
HP:0001761 Pes cavus: pieds creux; pied creux
HP:0001762 Talipes equinovarus: pied bot; pieds bots
HP:0001763 Pes planus: pieds plats; pied plat
HP:0001785 Ankle swelling: chevilles enflées
HP:0001824 Weight loss: perte de poids; amaigrissement
HP:0001873 Thrombocytopenia: thrombopénie; thrombocytopénie
HP:0001875 Neutropenia: neutropénie
HP:0001882 Leukopenia: leucopénie
HP:0001892 Abnormal bleeding: hémorragie; saignement; saignements
HP:0001903 Anemia: anémie
HP:0001909 Leukemia: leucémie
HP:0001942 Metabolic acidosis: acidose métabolique
HP:0001943 Hypoglycemia: hypoglycémie
HP:0001945 Fever: fièvre; fébrile
HP:0001962 Palpitations: palpitations
HP:0001999 Abnormal facial shape: dysmorphie; dysmorphie faciale
HP:0002013 Vomiting: vomissement; vomissements
HP:0002014 Diarrhea: diarrhée
HP:0002015 Dysphagia: dysphagie; troubles de la déglutition
HP:0002018 Nausea: nausée; nausées
HP:0002019 Constipation: constipation
HP:0002020 Gastroesophageal reflux: reflux gastro-œsophagien; RGO
HP:0002027 Abdominal pain: douleurs abdominales; douleur abdominale; mal de ventre
HP:0002059 Cerebral atrophy: atrophie cérébrale
HP:0002072 Chorea: chorée
HP:0002076 Migraine: migraine
HP:0002090 Pneumonia: pneumonie
HP:0002092 Pulmonary arterial hypertension: hypertension pulmonaire; hypertension artérielle pulmonaire
HP:0002093 Respiratory insufficiency: insuffisance respiratoire
HP:0002094 Dyspnea: dyspnée; essoufflement
HP:0002099 Asthma: asthme
HP:0002104 Apnea: apnée; apnées
HP:0002133 Status epilepticus: état de mal épileptique
HP:0002153 Hyperkalemia: hyperkaliémie
HP:0002194 Delayed gross motor development: retard moteur
HP:0002240 Hepatomegaly: hépatomégalie
HP:0002312 Clumsiness: maladresse
HP:0002315 Headache: céphalées; maux de tête; céphalée; mal de tête
HP:0002321 Vertigo: vertige; vertiges
HP:0002354 Memory impairment: troubles de la mémoire; trouble de la mémoire
HP:0002360 Sleep abnormality: troubles du sommeil; trouble du sommeil
HP:0002373 Febrile seizure (within the age range of 3 months to 6 years): convulsion fébrile; crise fébrile
HP:0002376 Developmental regression: régression du développement; régression psychomotrice; perte des acquis
HP:0002500 Abnormal cerebral white matter morphology: anomalies de la substance blanche
HP:0002527 Falls: chutes; chutes fréquentes
HP:0002615 Hypotension: hypotension
HP:0002625 Deep venous thrombosis: thrombose veineuse profonde
HP:0002650 Scoliosis: scoliose
HP:0002653 Bone pain: douleurs osseuses
HP:0002664 Neoplasm: tumeur
HP:0002716 Lymphadenopathy: adénopathies; adénopathie
HP:0002719 Recurrent infections: infections récurrentes; infections à répétition
HP:0002757 Recurrent fractures: fractures multiples; fractures à répétition
HP:0002804 Arthrogryposis multiplex congenita: arthrogrypose
HP:0002808 Kyphosis: cyphose
HP:0002829 Arthralgia: douleurs articulaires; arthralgies
HP:0002878 Respiratory failure: défaillance respiratoire
HP:0002900 Hypokalemia: hypokaliémie
HP:0002901 Hypocalcemia: hypocalcémie
HP:0002902 Hyponatremia: hyponatrémie
HP:0002910 Elevated circulating hepatic transaminase concentration: transaminases élevées
HP:0002910 Elevated circulating hepatic transaminase concentration: cytolyse hépatique
HP:0003002 Breast carcinoma: cancer du sein
HP:0003074 Hyperglycemia: hyperglycémie
HP:0003128 Lactic acidosis: acidose lactique
HP:0003202 Skeletal muscle atrophy: fonte musculaire; amyotrophie; atrophie musculaire
HP:0003236 Elevated circulating creatine kinase concentration: CPK élevées; CK élevée
HP:0003326 Myalgia: douleurs musculaires; myalgies
HP:0003394 Muscle spasm: crampes; crampes musculaires
HP:0003401 Paresthesia: paresthésies; fourmillements
HP:0003418 Back pain: mal de dos; lombalgie
HP:0003701 Proximal muscle weakness: faiblesse musculaire proximale; faiblesse proximale
HP:0004322 Short stature: petite taille
HP:0004936 Venous thrombosis: thrombose veineuse
HP:0007018 Attention deficit hyperactivity disorder: TDAH; trouble de l'attention
HP:0007185 Loss of consciousness: perte de connaissance
HP:0008064 Ichthyosis: ichtyose
HP:0009830 Peripheral neuropathy: neuropathie périphérique; neuropathie
HP:0010442 Polydactyly: polydactylie
HP:0010741 Pedal edema: œdème des jambes; œdèmes des membres inférieurs
HP:0011675 Arrhythmia: arythmie; trouble du rythme cardiaque; troubles du rythme
HP:0011968 Feeding difficulties: difficultés alimentaires; troubles de l'alimentation
HP:0012378 Fatigue: fatigue; asthénie
HP:0012531 Pain: douleur; douleurs
HP:0012622 Chronic kidney disease: insuffisance rénale chronique; maladie rénale chronique
HP:0012735 Cough: toux
HP:0025435 Increased circulating lactate dehydrogenase concentration: LDH élevées
HP:0030148 Heart murmur: souffle cardiaque
HP:0030166 Night sweats: sueurs nocturnes
HP:0030828 Wheezing: sifflements
HP:0031936 Delayed ability to walk: retard de marche; marche tardive
HP:0100749 Chest pain: douleur thoracique; douleurs thoraciques
HP:0100785 Insomnia: insomnie
HP:0410030 Cleft lip: fente labiale
    """,
}


def own_names() -> Iterator[tuple[str, str, str]]:
    """``(id, language, name)`` of every entry."""
    for language, table in _TABLE.items():
        for line in filter(None, map(str.strip, table.splitlines())):
            head, _, names = line.partition(": ")
            for name in names.split("; "):
                yield head.split(" ", 1)[0], language, name
