"""The demo: a small labelled collection, made on the spot, on which the whole of avsearch can be tried.

kinds.py        what can sound, and which family it belongs to
pen.py          antialiased drawing in an object's own coordinates
drawing.py      a kind, its look and its pose -> a picture of it; with objects_*.py, a family a part
scenery.py      backgrounds and the silent things that stand about
tones.py        the building blocks of sounds
synthesis.py    a kind -> its sound in a room; with sounds_*.py, a family a part
scene.py        one clip's pictures: who stands where and moves how
collection.py   plan the clips purely, then write them and their manifest
"""
