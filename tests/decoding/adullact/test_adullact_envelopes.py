"""One test per shape of envelope: which files come out, with which role, and what is said of them."""

from __future__ import annotations

import json
from typing import ClassVar

import pytest

from ezcold_operators.decoding.adullact import decode_envelope
from ezcold_operators.decoding.base import Options
from tests.decoding.adullact import corpus
from tests.decoding.adullact.corpus import Acte, Bordereau, ChorusPj, Pj
from tests.decoding.adullact.opening import must_open, opened

ID_ACTE = "034-123456782-20240305-2024_17-DE"


class TestActe:
    FACTS: ClassVar = {
        "message": "Acte",
        "id_acte": ID_ACTE,
        "numero_interne": "2024_17",
        "date": "2024-03-05",
        "nature_code": "1",
        "nature": "Délibérations",
        "objet": "Création d'un marché de Noël à la salle des fêtes",
        "classification": "3.2",
        "classification_date": "2019-03-01",
        "annexes_nombre": "1",
        "enveloppe": "EnveloppeCLMISILL",
        "emetteur": "IDCL",
        "siren": "123456782",
        "departement": "034",
    }

    def test_archive_gives_the_act_its_annexes_and_both_xml(self) -> None:
        acte = Acte(annexes=("annexe.xml",))
        files = acte.files()
        found = must_open(corpus.targz(files))
        assert (found.type, found.metadata) == ("acte", self.FACTS)
        assert dict(found.pieces) == {name: files[name] for name in (acte.document, "annexe.xml")}
        assert dict(found.envelopes) == {name: files[name] for name in list(files)[:2]}
        assert found.facts[acte.document] == {"lien": "Document", "code_pj": "99_DE"}
        assert found.facts["annexe.xml"] == {"lien": "Annexe"}

    @pytest.mark.parametrize("pack", [corpus.tar_of, corpus.zip_of, corpus.targz, corpus.bundle])
    def test_the_container_changes_nothing(self, pack) -> None:
        found = must_open(pack(Acte(annexes=("annexe.xml",)).files()))
        assert found.metadata == self.FACTS

    def test_loose_files_with_a_late_receipt_are_joined(self) -> None:
        acte = Acte(prefix="ns1")
        files = {acte.message_name: acte.message(), acte.document: corpus.PDF, "ar.xml": acte.receipt(ID_ACTE)}
        found = must_open(corpus.bundle(files))
        assert found.metadata["message"] == "Acte"
        assert (found.metadata["id_acte"], found.metadata["date_reception"]) == (ID_ACTE, "2024-03-08")
        assert "siren" not in found.metadata

    def test_a_receipt_alone_is_an_envelope(self) -> None:
        found = must_open(Acte().receipt(ID_ACTE), "034-1-2_5279.xml")
        assert found.type == "acte"
        assert found.metadata["message"] == "ARActe"
        assert (found.metadata["id_acte"], found.metadata["date_reception"]) == (ID_ACTE, "2024-03-08")
        assert found.metadata["nature"] == "Délibérations"
        assert found.pieces == []

    def test_an_anomaly_promises_no_file(self) -> None:
        assert must_open(corpus.anomaly()).metadata == {
            "message": "AnomalieEnveloppe",
            "anomalie_nature": "999",
            "anomalie_date": "2024-03-08",
            "anomalie_detail": "Enveloppe refusée",
            "emetteur": "IDCL",
            "departement": "044",
            "siren": "123456782",
        }

    def test_a_letter_from_the_prefecture(self) -> None:
        found = must_open(corpus.targz(corpus.courrier()))
        assert found.metadata == {
            "message": "CourrierSimple",
            "id_acte": ID_ACTE,
            "date_courrier": "2024-04-02",
            "enveloppe": "EnveloppeMISILLCL",
            "emetteur": "IDSousPref",
            "departement": "034",
            "siren": "123456782",
        }
        assert [name for name, _ in found.pieces] == ["lettre.pdf"]

    def test_unknown_nature_is_kept_without_a_label(self) -> None:
        facts = must_open(corpus.targz(Acte(nature="9").files())).metadata
        assert facts["nature_code"] == "9"
        assert "nature" not in facts
        assert "id_acte" not in facts


class TestHelios:
    def test_pieces_come_out_linked_to_their_bordereau(self) -> None:
        raw = corpus.pes_depense(
            [Bordereau("58", (("1201", ("PJ0001", "AILLEURS")), ("1202", ())))], [Pj(), Pj("PJ0002", "", b"texte")]
        )
        found = must_open(raw, "sans nom utile.xml")
        assert found.pieces == [("Mandat 12.pdf", corpus.PDF), (None, b"texte")]
        assert found.envelopes == [("sans nom utile.xml", raw)]
        assert found.paths == ["sans nom utile.xml", "PJ/1", "PJ/2"]
        assert found.facts["PJ/1"] == {
            "id_unique": "PJ0001",
            "type_pj": "003",
            "liens": [{"exercice": "2024", "bordereau": "58", "piece": "1201", "support": "01"}],
        }
        assert found.metadata == {
            "racine": "PES_Aller",
            "nom_fic": "PESALR2_12345678200010_240229_1",
            "typ_fic": "PESALR2",
            "dte_str": "2024-02-29",
            "id_post": "034000",
            "id_coll": "12345678200010",
            "cod_col": "123",
            "cod_bud": "00",
            "libelle_col_bud": "COMMUNE DE SAINT-ÉTIENNE-D'ESSAI",
            "domaines": ["PES_DepenseAller", "PES_PJ"],
            "bordereaux": [
                {
                    "exercice": "2024",
                    "id_bord": "58",
                    "date": "2024-02-28",
                    "type": "01",
                    "montant_ht": "1520.40",
                    "pieces": ["1201", "1202"],
                }
            ],
            "pj_refs": ["PJ0001", "AILLEURS"],
            "signatures": 0,
        }

    def test_titres_of_a_recette(self) -> None:
        facts = must_open(corpus.pes_recette()).metadata
        assert facts["domaines"] == ["PES_RecetteAller"]
        assert facts["bordereaux"][0]["pieces"] == ["902490", "902491"]
        assert facts["bordereaux"][0]["montant_ht"] == "315.40"
        assert facts["pj_refs"] == ["V1"]

    def test_a_piece_that_is_not_gzip_is_kept_as_it_is(self) -> None:
        import base64

        raw = corpus.pes_depense(pjs=[Pj(fichier=base64.b64encode(corpus.PDF).decode())])
        assert must_open(raw).pieces == [("Mandat 12.pdf", corpus.PDF)]

    def test_a_zip_sent_as_a_piece_stays_a_zip(self) -> None:
        data = corpus.zip_of({"plan.pdf": corpus.PDF})
        assert must_open(corpus.pes_depense(pjs=[Pj(nom="plans.zip", data=data)])).pieces == [("plans.zip", data)]

    def test_a_piece_without_name_takes_that_of_its_reference(self) -> None:
        extra = f"<PES_Marche>{corpus.pj_ref('PJ0009', nom='Nommée ailleurs.pdf')}</PES_Marche>"
        raw = corpus.pes_depense(pjs=[Pj("PJ0009", "")], extra=extra)
        assert must_open(raw).pieces[0][0] == "Nommée ailleurs.pdf"

    def test_an_empty_stray_pj_is_a_template_s_leaving(self) -> None:
        raw = corpus.pes_depense(pjs=[], extra="<PJ><Contenu><Fichier>   </Fichier></Contenu></PJ>")
        assert must_open(raw).pieces == []

    def test_signatures_are_counted(self) -> None:
        assert must_open(corpus.pes_depense(signature=corpus.xmldsig())).metadata["signatures"] == 1

    @pytest.mark.parametrize(("etat", "says"), [("1", "OK"), ("0", "KO")])
    def test_an_acquit_alone(self, etat: str, says: str) -> None:
        facts = must_open(corpus.acquit(etat)).metadata
        assert facts["racine"] == "PES_ACQUIT"
        assert facts["acquit_global"] == says
        assert facts["acquits"] == [
            {"etat": "1", "domaine": "4", "id_unique": "PJ0001"},
            {
                "etat": etat,
                "domaine": "5",
                "num_bord": "58",
                "erreurs": [
                    {
                        "numero": "ERREUR_AUTRE",
                        "libelle": "1971 - Compte présent à tort",
                        "piece": "1201",
                        "ligne": "1",
                    }
                ],
            },
        ]

    def test_a_pes_zipped_with_its_acquit(self) -> None:
        """Shape of HELIOS_SIMU_ALR2_1547544424_844200543.zip."""
        found = must_open(corpus.zip_of({"a_ack.xml": corpus.acquit("1"), "a.xml": corpus.pes_depense()}))
        assert found.metadata["racine"] == "PES_Aller"
        assert found.metadata["acquit_global"] == "OK"
        assert found.paths == ["a_ack.xml", "a.xml", "a.xml/PJ/1"]


class TestChorus:
    def test_a_pivot_of_two_invoices(self) -> None:
        raw = corpus.pivot(
            {
                "F-1": [ChorusPj("même nom.pdf "), ChorusPj("même nom.pdf", b"annexe", "02", "raw")],
                "F-2": [ChorusPj("même nom.pdf", b"%PDF-autre"), ChorusPj(wrapping="none")],
            }
        )
        found = must_open(raw, "4711.xml")
        assert found.pieces == [
            ("même nom.pdf", corpus.PDF),
            ("même nom.pdf", b"annexe"),
            ("même nom.pdf", b"%PDF-autre"),
        ]
        assert found.paths == ["4711.xml", "1/PJ/1", "1/PJ/2", "2/PJ/1"]
        assert found.facts["1/PJ/2"] == {"facture": "F-1", "num_ordre": "2", "type_pj": "02"}
        assert found.metadata["racine"] == "CPPFacturePivot"
        assert found.metadata["id_flux"] == "CPP0042"
        assert found.metadata["factures"][0] == {
            "id_cpro": "4711",
            "numero": "F-1",
            "type": "380",
            "date": "2024-02-01",
            "date_reception": "2024-02-02",
            "cadre": "A1",
            "fournisseur": "SARL d'essai",
            "fournisseur_id": "12345678200010",
            "destinataire": "Commune d'Essai",
            "destinataire_id": "98765432100019",
            "service": "FIN",
            "engagement": "ENG1",
            "devise": "EUR",
            "montant_ht": "100.000000",
            "montant_ttc": "120.000000",
            "montant_net": "120.000000",
            "statut": "01",
            "statut_libelle": "Déposée",
        }
        assert [facture["numero"] for facture in found.metadata["factures"]] == ["F-1", "F-2"]

    def test_the_mixed_flow(self) -> None:
        found = must_open(corpus.pivot({"F-1": [ChorusPj()]}, "Mixte"))
        assert found.metadata["racine"] == "CPPFactureMixte"
        assert len(found.pieces) == 1

    @pytest.mark.parametrize("name", ["devis.zip", "note.docx"])
    def test_a_piece_that_is_itself_a_zip_is_left_zipped(self, name: str) -> None:
        data = corpus.zip_of({"word/document.xml": b"<w/>"})
        found = must_open(corpus.pivot({"F-1": [ChorusPj(name, data, wrapping="raw")]}))
        assert found.pieces == [(name, data)]

    def test_a_facturx(self) -> None:
        xml = corpus.cii()
        raw = corpus.facturx(xml)
        found = must_open(raw, "facture.pdf")
        assert found.pieces == [("facture.pdf", raw)]
        assert found.envelopes == [("factur-x.xml", xml)]
        assert found.metadata == {
            "racine": "CrossIndustryInvoice",
            "factures": [
                {
                    "numero": "FA-2024-10",
                    "type": "380",
                    "date": "20240204",
                    "profil": "urn:factur-x.eu:1p0:basicwl",
                    "fournisseur": "Au moulin d'essai",
                    "fournisseur_id": "12345678200010",
                    "fournisseur_tva": "FR32123456782",
                    "destinataire": "Commune d'Essai",
                    "service": "FIN",
                    "marche": "M-7",
                    "devise": "EUR",
                    "montant_ht": "624.90",
                    "montant_ttc": "671.15",
                    "montant_net": "470.15",
                }
            ],
        }

    def test_ubl_with_an_attachment(self) -> None:
        found = must_open(corpus.ubl(), "u.xml")
        assert found.pieces == [("détail.pdf", corpus.PDF)]
        facture = found.metadata["factures"][0]
        assert (facture["fournisseur_id"], facture["engagement"]) == ("12345678200010", "ENG2")
        assert (facture["montant_ht"], facture["montant_ttc"], facture["montant_net"]) == ("10.00", "12.00", "2.00")

    def test_a_lot_of_pdf_and_xml(self) -> None:
        raw = corpus.zip_of({"lot/a.pdf": corpus.facturx(corpus.cii("A")), "lot/b.xml": corpus.ubl(numero="B")})
        found = must_open(raw)
        assert [facture["numero"] for facture in found.metadata["factures"]] == ["A", "B"]
        assert [name for name, _ in found.envelopes] == ["factur-x.xml", "b.xml"]


class TestPastell:
    VALUES: ClassVar = {"acte_nature": "1", "numero_de_lacte": "17", "objet": "Essai", "date_de_lacte": "2024-03-05"}

    def test_a_deposit_of_an_act(self) -> None:
        fields = corpus.flux(self.VALUES, {"arrete": ["l'acte.pdf"], "autre_document_attache": ["a/b.odt"]})
        found = must_open(corpus.zip_of({"metadata.xml": fields, "l'acte.pdf": corpus.PDF, "a-b.odt": b"odt"}))
        assert found.metadata == {
            "nature_code": "1",
            "nature": "Délibérations",
            "numero_interne": "17",
            "objet": "Essai",
            "date": "2024-03-05",
        }
        assert found.facts["l'acte.pdf"] == {"champ": "arrete"}
        assert found.envelopes == [("metadata.xml", fields)]

    @pytest.mark.parametrize("name", ["metadata.json", "metadata.txt"])
    def test_json_and_yaml_say_the_same(self, name: str) -> None:
        fields = {**self.VALUES, "arrete": ["acte.pdf"]}
        text = (
            json.dumps(fields)
            if name.endswith("json")
            else "\n".join(f"{k}: {json.dumps(v)}" for k, v in fields.items())
        )
        found = must_open(corpus.bundle({name: text.encode(), "acte.pdf": corpus.PDF}))
        assert found.type == "acte"
        assert found.metadata["numero_interne"] == "17"
        assert [n for n, _ in found.pieces] == ["acte.pdf"]

    def test_pieces_copied_out_of_a_pivot_come_once(self) -> None:
        fields = corpus.flux(
            {"id_facture_cpp": "4711", "no_facture": "F-1"}, {"fichier_facture": ["p.xml"], "facture_pj_01": ["f.pdf"]}
        )
        files = {"metadata.xml": fields, "p.xml": corpus.pivot({"F-1": [ChorusPj()]}), "f.pdf": corpus.PDF}
        found = must_open(corpus.bundle(files))
        assert found.type == "chorus_fact"
        assert found.pieces == [("f.pdf", corpus.PDF)]
        assert found.metadata["factures"][0]["cadre"] == "A1"


@pytest.mark.parametrize(
    ("name", "raw"),
    [
        ("vide.pdf", corpus.PDF),
        ("parapheur.zip", corpus.zip_of({"i_Parapheur_internal_premis.xml": b"<premis/>", "a.pdf": corpus.PDF})),
        ("bordereau.xml", b"<ArchiveTransfer xmlns='fr:gouv:culture:archivesdefrance:seda:v2.1'/>"),
        ("page.html", b"<!DOCTYPE html><html><body>Bonjour</body></html>"),
        ("notes.txt", b"objet: rien\n"),
        ("facture.xml", b"<Invoice xmlns='urn:autre'/>"),
        ("vide", b""),
        ("presque.xml", b"<"),
    ],
)
def test_what_is_no_envelope_is_said_to_be_none(name: str, raw: bytes) -> None:
    assert opened(raw, name) is None


def test_no_envelope_leaves_nothing_behind(tmp_path) -> None:
    raw, work = tmp_path / "raw", tmp_path / "work"
    work.mkdir()
    raw.write_bytes(corpus.zip_of({"a.pdf": corpus.PDF, "b/c.txt": b"x"}))
    assert decode_envelope(raw, work, Options(kind="adullact", name="a.zip")) is None
    assert list(work.iterdir()) == []


@pytest.mark.parametrize(("kind", "claimed"), [("adullact", True), ("file", False)])
def test_a_damaged_archive_of_unknown_type_is_ours_only_where_envelopes_are_expected(tmp_path, kind, claimed) -> None:
    raw = tmp_path / "raw"
    raw.write_bytes(corpus.zip_of({"../a.pdf": corpus.PDF}))
    decoded = decode_envelope(raw, tmp_path, Options(kind=kind, name="a.zip"))
    assert (decoded is not None) is claimed


def test_a_lot_of_archives_is_opened() -> None:
    found = must_open(corpus.zip_of({"un.tar.gz": corpus.targz(Acte().files())}))
    assert found.type == "acte"
    assert found.paths[0] == "un.tar.gz/EACT--123456782--20240307-1.xml"
