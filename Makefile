# make demo   the article's experiment in small, from drawing to ranking
# make test   the tests
# make lint   the style checks
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DEMO ?= demo
TRAIN ?= --arch pretrained

.PHONY: demo test lint clean

demo: $(VENV)/.done
	$(BIN)/python examples/draw_cast.py $(DEMO)
	$(BIN)/python crop_faces.py $(DEMO)/train.mp4 -o $(DEMO)/X.npy --fps 4 --force
	$(BIN)/python examples/rate_cast.py $(DEMO)/X.csv $(DEMO)/train_cast.csv $(DEMO)/ratings.txt
	$(BIN)/python train.py $(DEMO)/X.npy $(DEMO)/ratings.txt $(TRAIN) \
	    -om $(DEMO)/model.pkl -op $(DEMO)/pred.txt -o $(DEMO)/result
	$(BIN)/python crop_faces.py $(DEMO)/test.mp4 -o $(DEMO)/X_test.npy --fps 1 --force
	$(BIN)/python examples/rate_cast.py $(DEMO)/X_test.csv $(DEMO)/test_cast.csv $(DEMO)/ratings_test.txt
	$(BIN)/python predict.py $(DEMO)/model.pkl $(DEMO)/X_test.npy -o $(DEMO)/pred_test.txt \
	    --ratings $(DEMO)/ratings_test.txt --strip $(DEMO)/ranked.png --csv $(DEMO)/ranked.csv \
	    --gallery $(DEMO)/gallery
	@echo "The 18 faces of the test, in the person's order and in the predicted one: $(DEMO)/ranked.png"
	@echo "The same as a page for the browser, best first: $(DEMO)/gallery/index.html"

test: $(VENV)/.done
	$(BIN)/python -m pytest -n 2

lint: $(VENV)/.done
	$(BIN)/python -m ruff check .
	$(BIN)/lint-imports

# Chainer's package builds with setuptools below 82 only, and pip would take
# the newest one for it, so that one is installed first and used as it is.
$(VENV)/.done: setup.py
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install "setuptools>=66.1,<82" wheel
	$(BIN)/python -m pip install --no-build-isolation -e ".[test]"
	@$(BIN)/python -c "import cv2" || { \
	    echo "No libGL here: taking the OpenCV that needs no screen."; \
	    $(BIN)/python -m pip install --force-reinstall --no-deps "opencv-python-headless>=4.5,<5"; }
	touch $@

clean:
	rm -rf $(VENV) $(DEMO)
