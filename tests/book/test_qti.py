"""The question bank in QTI 2.1: the structure that the standard asks for, and the same questions in it."""

from __future__ import annotations

import io
import re
import xml.etree.ElementTree as ET
import zipfile

import pytest
from quiz_books import BANK, Bank, Option, Question, to_qti

QTI = "{http://www.imsglobal.org/xsd/imsqti_v2p1}"
CP = "{http://www.imsglobal.org/xsd/imscp_v1p1}"
IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,31}")
# What the standard allows in texts, as far as Markdown makes it.
TEXT = set("p em strong code pre a ul ol li blockquote table thead tbody tr th td br hr".split())


@pytest.fixture(scope="module")
def package() -> dict[str, ET.Element]:
    """The files of the package, parsed."""
    with zipfile.ZipFile(io.BytesIO(to_qti(BANK))) as file:
        assert file.testzip() is None
        assert len(file.namelist()) == len(set(file.namelist()))
        return {name: ET.fromstring(file.read(name)) for name in file.namelist()}


@pytest.fixture(scope="module")
def items(package) -> dict[str, ET.Element]:
    """The items by their identifier."""
    found = [root for name, root in package.items() if name != "imsmanifest.xml"]
    return {root.get("identifier"): root for root in found}


def flat(element: ET.Element) -> str:
    """Markup and text without the namespace."""
    for inner in element.iter():
        inner.tag = inner.tag.removeprefix(QTI)
    return ET.tostring(element, encoding="unicode")


def inside(element: ET.Element) -> str:
    """What an element holds, as it is compared with HTML of the bank."""
    copy = ET.fromstring(ET.tostring(element))
    return re.sub(r"^<[^>]*>|</[^>]*>$", "", flat(copy).strip())


def normal(markup: str) -> str:
    return inside(ET.fromstring(f"<x>{markup}</x>"))


def test_the_manifest_lists_exactly_the_files(package):
    manifest = package["imsmanifest.xml"]
    assert next(iter(package)) == "imsmanifest.xml" and manifest.tag == f"{CP}manifest"
    assert [child.tag for child in manifest] == [f"{CP}{name}" for name in ("metadata", "organizations", "resources")]
    assert manifest.findtext(f"{CP}metadata/{CP}schema") == "QTIv2.1 Package"
    resources = manifest.findall(f"{CP}resources/{CP}resource")
    assert {resource.get("type") for resource in resources} == {"imsqti_item_xmlv2p1"}
    for resource in resources:
        assert [file.get("href") for file in resource.findall(f"{CP}file")] == [resource.get("href")]
    assert sorted(resource.get("href") for resource in resources) == sorted(set(package) - {"imsmanifest.xml"})
    identifiers = [resource.get("identifier") for resource in resources]
    assert len(set(identifiers)) == len(identifiers) == len(BANK.questions)
    assert "CC BY 4.0" in "".join(manifest.find(f"{CP}metadata").itertext())


def test_an_item_has_the_parts_that_the_standard_asks_for_in_its_order(items):
    assert len(items) == len(BANK.questions)
    for name, item in items.items():
        assert item.tag == f"{QTI}assessmentItem" and IDENTIFIER.fullmatch(name)
        assert (item.get("adaptive"), item.get("timeDependent")) == ("false", "false") and item.get("title")
        order = ["responseDeclaration", "outcomeDeclaration", "itemBody", "responseProcessing", "modalFeedback"]
        parts = [child.tag.removeprefix(QTI) for child in item]
        assert parts == sorted(parts, key=order.index) and set(parts) == set(order)
        assert [child.tag for child in item.find(f"{QTI}itemBody")] == [f"{QTI}div", f"{QTI}choiceInteraction"]
        declared = {e.get("identifier") for e in item if e.tag.endswith("Declaration")}
        used = {e.get("identifier") for e in item.iter() if e.tag in (f"{QTI}variable", f"{QTI}setOutcomeValue")}
        assert declared == {"RESPONSE", "SCORE", "FEEDBACK"} == used
        texts = [item.find(f"{QTI}itemBody/{QTI}div"), *item.findall(f"{QTI}modalFeedback")]
        for inner in [inner for text in texts for inner in text.iter() if inner is not text]:
            assert inner.tag.removeprefix(QTI) in TEXT, f"{name}: {inner.tag}"
            assert set(inner.attrib) <= {"href"}
            assert inner.get("href", "https://").startswith("https://")


def test_the_right_answer_and_the_feedback_of_each_option_are_the_books(items):
    for question in BANK.questions:
        item = items[f"{question.chapter}-q{question.number}"]
        assert normal(question.text) == inside(item.find(f"{QTI}itemBody/{QTI}div"))
        choices = item.findall(f".//{QTI}simpleChoice")
        letters = [choice.get("identifier") for choice in choices]
        assert len(set(letters)) == len(letters) and all(map(IDENTIFIER.fullmatch, letters))
        assert ["".join(choice.itertext()) for choice in choices] == [option.text for option in question.options]
        correct = [value.text for value in item.findall(f".//{QTI}correctResponse/{QTI}value")]
        assert len(correct) == 1 and correct[0] in letters
        shown = {e.get("identifier"): e for e in item.findall(f"{QTI}modalFeedback")}
        assert set(shown) == {*letters, "general_source"}
        assert normal(bank_source := BANK.source(question)) == inside(shown["general_source"]), bank_source
        branches = item.findall(f"{QTI}responseProcessing/{QTI}responseCondition/*")
        assert [branch.tag for branch in branches] == [f"{QTI}responseIf"] + [f"{QTI}responseElseIf"] * (
            len(choices) - 1
        )
        for letter, option, branch in zip(letters, question.options, branches, strict=True):
            assert branch.findtext(f"{QTI}match/{QTI}baseValue") == letter
            outcomes = {
                e.get("identifier"): e.findtext(f".//{QTI}baseValue") for e in branch.findall(f"{QTI}setOutcomeValue")
            }
            assert outcomes == {"SCORE": str(int(option.right)), "FEEDBACK": letter}
            assert (correct == [letter]) is option.right
            assert normal(option.feedback) == inside(shown[letter])


def test_signs_of_xml_are_text_in_a_choice_and_in_a_title():
    options = (Option("a < b & c > d", "<p>x &lt; y</p>", True), Option('"]]>', "<p>no</p>", False))
    question = Question("A & B", "book/a/x.ipynb", "<C>", "https://x.y/?a=1&b=2", 1, "<p>Q</p>", options)
    with zipfile.ZipFile(io.BytesIO(to_qti(Bank("T & T", "<we>", "https://x.y", (question,))))) as file:
        manifest, item = (ET.fromstring(file.read(name)) for name in file.namelist())
    assert [choice.text for choice in item.iter(f"{QTI}simpleChoice")] == ["a < b & c > d", '"]]>']
    told = "".join(manifest.itertext())
    assert "A & B" in told and "<C>" in told and "T & T" in told and "<we>" in told
    (link, _) = item.iter(f"{QTI}a")
    assert (link.get("href"), link.text) == ("https://x.y/?a=1&b=2", "<C>")


def test_canvas_finds_the_feedback_of_an_answer(items):
    """Its importer wants a FEEDBACK that adds to itself, one paragraph, and no name that means general feedback."""
    for item in items.values():
        for branch in item.findall(f"{QTI}responseProcessing/{QTI}responseCondition/*"):
            added = branch.find(f"{QTI}setOutcomeValue[@identifier='FEEDBACK']/{QTI}multiple")
            assert added.find(f"{QTI}variable").get("identifier") == "FEEDBACK"
            name = added.findtext(f"{QTI}baseValue")
            assert not re.search("general_|_all|wrong|incorrect|correct|_IC$|_C$", name, re.IGNORECASE)
        for feedback in item.findall(f"{QTI}modalFeedback"):
            assert [child.tag for child in feedback] == [f"{QTI}p"]  # it reads the first paragraph only
